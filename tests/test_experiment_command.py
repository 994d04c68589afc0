"""`numbanorm experiment`, end to end on few digits: its file, its figure, and what it refuses."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import processes as programs
import pytest

import numbanorm as nbn
from numbanorm import cli, experiment
from numbanorm.experiment import digits, processes, results, work
from numbanorm.experiment.networks import build
from numbanorm.experiment.plan import FULL, QUICK
from numbanorm.experiment.training import train

TINY = replace(
    QUICK,
    seeds=2,
    sweep_seeds=2,
    epochs={"mlp": 1, "cnn": 1},
    sweep_epochs={"mlp": 1, "cnn": 1},
    rates=(0.01, 1e6),  # the second diverges
    scales=(1.0, 30.0),
    digits=300,
    batch=40,
    every=2,
)

FEW = programs.ROOT / "numbanorm" / "data" / "digits.npz"


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run the command in an empty folder, as small as can be."""
    monkeypatch.setattr(experiment, "QUICK", TINY)
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = cli.main(["experiment", *map(str, arguments)])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err)

    return run


def test_everything_at_once(command, tmp_path):
    pytest.importorskip("matplotlib")
    done = command("--quick", "--data", FEW, "--json", "a.json", "--plot", "a.png")
    assert done.status == 0, done.err
    assert "learning rates: 52 networks" in done.err
    for text in ("Multilayer perceptron", "batch, no gamma and beta", "verdict", "layer 5"):
        assert text in done.out
    stored = json.loads((tmp_path / "a.json").read_text())
    assert stored["about"]["digits"] == 300 and stored["about"]["learnt"] == 240
    assert len(stored["runs"]) == 52 + 26 + 24 + 12
    assert len(stored["claims"]) == 14
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")

    # From the file alone it says the same, and draws it; what has no norm does not train by 1e6.
    again = command("--from", "a.json", "--plot", "b.svg")
    assert again.status == 0 and again.err == ""
    assert done.out.startswith(again.out.rstrip())
    assert "<svg" in (tmp_path / "b.svg").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png", "b.svg"]
    found = results.load("a.json")
    trained = work.Trainer(digits.load(str(FEW)), replace(TINY, digits=None))
    for part, network in ("drift", "mlp"), ("rates", "cnn"):
        job = found.of(part, network, "batch")[0].job
        assert job in TINY.jobs(part, found.best()) and trained(job).job == job
    assert found.to_dict() == {name: stored[name] for name in found.to_dict()}
    diverged = [run for run in found.of("rates", "mlp", "none") if run.job.rate == 1e6]
    assert len(diverged) == 2 and all(run.course.diverged for run in diverged)
    assert all(run.final < 0.3 for run in diverged)


def test_the_same_again_gives_the_same(command, tmp_path):
    """By any number of processes."""
    texts = set()
    for count in 1, 2:
        with nbn.num_threads(count):
            assert command("--quick", "--data", FEW).status == 0
        (found,) = tmp_path.iterdir()
        assert found.name == "numbanorm-experiment-quick.json"
        texts.add(found.read_text())
    assert len(texts) == 1


def test_seeds_hold_out_each_digit_once():
    data = digits.load(None)
    for first in 0, 5:
        held = np.concatenate([digits.split(data, first + i).test_labels for i in range(5)])
        assert np.array_equal(np.bincount(held), np.bincount(data.labels))
    assert not np.array_equal(
        digits.split(data, 0).test_labels[:100], digits.split(data, 5).test_labels[:100]
    )
    found, tuned = digits.split(data, 3), digits.split(data, 3, validate=True)
    assert len(found.x) == 8000 and len(found.test_x) == 2000
    assert len(tuned.x) == 7000 and len(tuned.test_x) == 1000
    held = {image.tobytes() for image in np.round(found.test_x, 3)}
    for x in found.x, np.concatenate([tuned.x, tuned.test_x]):
        assert len(x) == 8000 and not held & {image.tobytes() for image in np.round(x, 3)}
    assert abs(found.x.mean()) < 1e-4 and found.x.std() == pytest.approx(1, abs=1e-4)


def test_networks_learn():
    split = digits.split(digits.load(str(FEW)), 0)
    for network in "mlp", "cnn":
        course = train(build(network, "batch", 0), split, 0.02, 6, 20, 0)
        assert course.times[-1] == 6 and course.accuracy[-1] > 0.7
        assert len(course.times) == 7 + 5 and not course.diverged


def test_files_of_keras_are_joined(tmp_path):
    data = digits.load(str(FEW))
    np.savez(
        tmp_path / "mnist.npz",
        x_train=data.images[:300],
        y_train=data.labels[:300].astype(np.uint8),
        x_test=data.images[300:],
        y_test=data.labels[300:].astype(np.uint8),
    )
    joined = digits.load(str(tmp_path / "mnist.npz"))
    assert all(np.array_equal(a, b) for a, b in zip(joined, data))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", 1], "--seeds must be 2 or more, got 1: one has no error bar"),
        (["--json", "missing/a.json"], "--json must be in a folder to write to"),
        (["--json", ""], "--json must name a file, got nothing"),
        (["--plot", "missing/a.png"], "--plot must be in a folder to write to"),
        (["--plot", "a.doc"], "--plot must end with one of "),
        (["--plot", "a.png", "--json", "a.png"], "--plot and --json must be two files"),
        (["--from", "no.json", "--quick"], "--quick must not be given with --from"),
        (["--from", "no.json", "--json", "a.json"], "--json must not be given with --from"),
        (["--from", "no.json"], "--from must be a file to read, got no.json: No such file"),
        (["--data", "no.npz"], "--data must be a file to read, got no.npz: No such file"),
    ],
)
def test_arguments_that_are_refused(arguments, message, command, tmp_path):
    pytest.importorskip("matplotlib")
    done = command(*arguments)
    assert done.status == 2 and done.out == ""
    assert done.err.startswith("numbanorm experiment: ") and message in done.err
    assert list(tmp_path.iterdir()) == []


GOOD = {"images": np.zeros((300, 28, 28), np.uint8), "labels": np.arange(300) % 10}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "must have images and labels, or x_train and y_train"),
        (GOOD | {"images": np.zeros((300, 28, 28))}, "must have images of uint8 and shape"),
        (GOOD | {"images": np.zeros((300, 28), np.uint8)}, "must have images of uint8 and shape"),
        (GOOD | {"images": np.uint8(3)}, "must have images of uint8 and shape"),
        (GOOD | {"labels": np.arange(299)}, "must have labels of integers and shape (300,)"),
        (GOOD | {"labels": np.arange(300.0)}, "must have labels of integers and shape (300,)"),
        (GOOD | {"labels": np.arange(300) % 9}, "must have 200 digits or more, of all of 0 to 9"),
        ({"images": GOOD["images"][:9], "labels": np.arange(9)}, "must have 200 digits or more"),
        ({"images": np.array([None]), "labels": np.arange(1)}, "must be an .npz file of arrays"),
    ],
)
def test_data_that_are_refused(arrays, message, command, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    done = command("--data", "data.npz")
    assert done.status == 2 and message in done.err and "data.npz" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken", b"\x93NUMPY"])
def test_files_that_are_no_data(content, command, tmp_path):
    (tmp_path / "data.npz").write_bytes(content)
    done = command("--data", "data.npz")
    assert done.status == 2 and "--data must be an .npz file of arrays, got data.npz" in done.err
    np.save(tmp_path / "data.npy", np.arange(3))
    assert command("--data", "data.npy").status == 2


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "3", '{"kind": "numbanorm.experiment", "version": 1}',
                '{"kind": "numbanorm.experiment", "version": 1, "about": {}, "runs": []}',
                '{"kind": "numbanorm.experiment", "version": 1, "about": {}, "runs": [{}]}'],
)  # fmt: skip
def test_files_that_are_no_results(content, command, tmp_path):
    (tmp_path / "a.json").write_text(content)
    done = command("--from", "a.json")
    assert done.status == 2 and done.err.startswith("numbanorm experiment: --from must be ")
    assert "a.json" in done.err


def test_where_there_are_no_digits_they_are_asked_for(command, monkeypatch, tmp_path):
    """As after an installation from a wheel."""
    monkeypatch.setattr(digits, "OWN", tmp_path / "none.npz")
    done = command("--quick")
    assert done.status == 2 and "--data FILE.npz must be given" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_ends_is_no_end_of_waiting(command, monkeypatch, tmp_path):
    with processes.started(os._exit, 1) as did, pytest.raises(BrokenProcessPool):
        list(did([3]))

    def ended(*_):
        raise BrokenProcessPool

    monkeypatch.setattr(work, "run", ended)
    done = command()
    assert done.status == 1 and "a process that trains networks was ended" in done.err
    assert list(tmp_path.iterdir()) == []


def test_processes_have_one_thread_each_and_jobs_keep_their_order(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = dict(os.environ)
    with processes.started(os.getenv, 2) as did:
        assert list(did(["OMP_NUM_THREADS", "NBN_NO_SUCH", "OPENBLAS_NUM_THREADS"])) == [
            "1", None, "1"
        ]  # fmt: skip
    assert dict(os.environ) == before
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with processes.started(abs, 2) as did:
        assert list(did([-1, 2])) == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a group of processes")
def test_ctrl_c_ends_all_processes_at_once(tmp_path):
    command = [sys.executable, "-m", "numbanorm", "experiment"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(programs.ROOT)},
    )  # fmt: skip
    assert "learning rates" in process.stderr.readline()
    time.sleep(5)  # until processes are at work, mostly
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted; nothing was written" in err
    assert list(tmp_path.iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_a_bar(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    few = replace(TINY, rates=(0.01,), scales=(1.0,))
    work.run(few, digits.load(str(FEW)))
    shown = sys.stderr.getvalue()
    assert "100%|" in shown and "drift: multilayer perceptron, group" in shown
    assert "networks, " not in shown


def test_the_repositorys_digits_are_the_default():
    assert digits.load(None).images.shape == (10000, 28, 28)
    assert FULL.digits is None and FULL.seeds == 5


def test_importing_numbanorm_imports_nothing_of_it():
    programs.run("""
import sys, numbanorm, numbanorm.cli
found = {"tqdm", "matplotlib", "numbanorm.experiment"} & set(sys.modules)
assert not found, found
""")
