"""Command line: publish the dashboard, serve it."""

import argparse
import sys
from pathlib import Path

from .errors import DashboardError
from .publish import Config, publish, server

HERE = Path(__file__).resolve().parent.parent


def parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    top = argparse.ArgumentParser(prog="python -m asv_bench.dashboard", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    make = commands.add_parser("publish", help="write the html folder from the results")
    make.add_argument("--serve", action="store_true", help="then serve it")
    make.add_argument(
        "--cache", type=Path, default=HERE / "vendor", help="folder of the libraries' tarballs"
    )
    for command in (make, commands.add_parser("serve", help="serve the html folder")):
        command.add_argument("--config", type=Path, default=HERE / "asv.conf.json")
        command.add_argument("--port", type=int, default=8080)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = parser().parse_args(arguments)
    try:
        config = Config.read(given.config)
        if given.command == "publish":
            publish(config, given.cache)
            print(f"published {config.site}")
            if not given.serve:
                return 0
        with server(config.site, given.port) as served:
            print(f"serving http://127.0.0.1:{served.server_port}/overview.html (^C ends it)")
            served.serve_forever()
    except DashboardError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
