"""`numbanorm stats` refuses what it can't do before it reads, and imports no more than it needs."""

import pytest
from processes import run, start
from stats_files import stats, write

SMALL = [(8, 9)] * 20


def test_importing_numbanorm_imports_nothing_of_it():
    run("""
import sys, numbanorm, numbanorm.cli
found = {"PIL", "tqdm", "zarr", "matplotlib", "numbanorm.stats"} & set(sys.modules)
assert not found, found
""")


def test_threads_must_be_positive(tmp_path, capsys):
    write(tmp_path, "L", SMALL[:1])
    done = stats(capsys, tmp_path, "--threads", 0)
    assert done.status == 2 and "--threads must be 1 or more, got 0" in done.err


@pytest.mark.parametrize("option", ["--json", "--save", "--plot"])
def test_targets_are_checked_first(option, tmp_path, capsys):
    write(tmp_path / "images", "L", SMALL[:1])
    for target in tmp_path / "missing/file.png", tmp_path:
        done = stats(capsys, tmp_path / "images", option, target)
        assert done.status == 2 and done.err.startswith(f"numbanorm stats: {option} must be ")
        assert done.out == ""


@pytest.mark.parametrize(
    ("module", "options", "extra"),
    [("PIL", (), "images"), ("matplotlib", ("--plot", "x.png"), "plot")],
)
def test_what_is_missing_is_named(module, options, extra, tmp_path):
    write(tmp_path, "L", SMALL[:1])
    code = f"""
import sys
sys.modules["{module}"] = None
from numbanorm import cli
sys.exit(cli.main(["stats", *sys.argv[1:]]))
"""
    process = start(code, tmp_path, *options, cwd=tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert f"pip install 'numbanorm[{extra}]'" in err
