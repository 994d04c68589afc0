"""Show that `commits.py` finds a regression, and none where there is none, five times of five.

python asv_bench/prove.py

In a scratch clone, one commit changes nothing, and one writes large results through the caches
instead of past them. Takes a few minutes; nothing else should run.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TIMES = 5
# Large and small, with one thread and with all.
SELECT = "batch .* eval"


def git(clone, *arguments):
    """Run git in a clone; returns what it prints."""
    identity = ["-c", "user.name=prove", "-c", "user.email=prove@localhost"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=clone, check=True, capture_output=True, text=True).stdout


def commits(clone):
    """Return the names of three commits: a base, an equal one and a slow one."""
    base = git(clone, "rev-parse", "HEAD").strip()
    git(clone, "commit", "--allow-empty", "-qm", "Change nothing")
    equal = git(clone, "rev-parse", "HEAD").strip()
    path = clone / "numbanorm" / "plan" / "tuning.py"
    text = path.read_text("utf-8")
    limits = "STREAM_MOST = 1.0, 0.5, 1 << 25"
    assert limits in text
    path.write_text(text.replace(limits, "STREAM_MOST = 1e6, 1e6, 1 << 50"), "utf-8")
    git(clone, "commit", "-qam", "Write large results through the caches")
    return base, equal, git(clone, "rev-parse", "HEAD").strip()


def main():
    """Print each run's last line; the exit status is 1 unless all runs say what they must."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "numbanorm"
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
        base, equal, slow = commits(clone)
        for _ in range(TIMES):
            for name, head, wanted in (("equal", equal, 0), ("slow", slow, 1)):
                command = [sys.executable, "asv_bench/commits.py", base, head, "--select", SELECT]
                done = subprocess.run(
                    command, cwd=clone, capture_output=True, text=True, check=False
                )
                wrong += done.returncode != wanted
                print(name, done.returncode, done.stdout.splitlines()[-1:], flush=True)
    print("as it must be" if not wrong else f"{wrong} of {2 * TIMES} runs were wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
