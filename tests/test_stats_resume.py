"""`numbanorm stats` broken off and gone on with, and by any number of threads: the same bits."""

import json
import os
import signal

import numpy as np
import pytest
from stats_files import Image, results, stats, write

from numbanorm.stats import images, views, work
from numbanorm.stats.state import State


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Images of several kinds, broken ones, and arrays of many pieces."""
    monkeypatch.setattr(views, "PIECE_BYTES", 3000)
    folder = tmp_path / "data"
    shapes = [(8, 9)] * 150
    write(folder / "a", "L", shapes)
    write(folder / "b", "F", shapes[:80] + [(5, 4)] * 20, ".tiff")
    write(folder / "d", "I;16", [(300, 400)] * 12)
    (folder / "a/0100.png").write_bytes(b"")
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (60, 9, 11, 3)).astype(np.float32)
    np.save(folder / "c.npy", x)
    np.savez(folder / "e.npz", x=x * 3)
    return folder


def whole(data, capsys, state, *options):
    done = stats(capsys, data, "--save", state, *options)
    assert done.status == 1, done.err  # The kinds are mixed.
    return json.loads(state.read_text())


def interrupted_after(count, monkeypatch):
    """Let Ctrl-C be pressed when the next `count` parts have been taken."""
    taken = 0
    take = State.take

    def interrupt(self, part):
        nonlocal taken
        take(self, part)
        taken += 1
        if taken == count:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(State, "take", interrupt)


@pytest.mark.parametrize("options", [(), ("--plot", "x.png")])
def test_threads_change_no_bit(options, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, two = (
        whole(data, capsys, tmp_path / f"{n}.json", "--threads", n, *options) for n in (1, 2)
    )
    assert one == two
    assert len(one["tallies"]) == 4 and one["opened"] is None
    assert all((tally["histogram"] is not None) == bool(options) for tally in one["tallies"])


# Within images, between kinds, within the array, in the stream, and near the end.
@pytest.mark.parametrize("after", [1, 2, 3, 5, 9, 20, 30, 40])
def test_going_on_gives_the_same_state(after, data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = whole(data, capsys, tmp_path / "whole.json", "--plot", "x.png")
    state = tmp_path / "state.json"
    with monkeypatch.context() as patched:
        interrupted_after(after, patched)
        done = stats(capsys, data, "--save", state, "--plot", "x.png")
    assert done.status == 130 and done.out == ""
    assert f"saved in {state}: go on with the same command and --resume {state}" in done.err
    kept = json.loads(state.read_text())
    assert len(kept["done"]) < len(expected["done"])
    done = stats(capsys, data, "--resume", state)
    assert done.status == 1
    assert json.loads(state.read_text()) == expected


def test_an_interrupt_among_images_breaks_their_group_off(data, tmp_path, capsys, monkeypatch):
    expected = whole(data, capsys, tmp_path / "whole.json")
    state, decode, decoded = tmp_path / "state.json", images.decode, 0

    def interrupt(path, mode):
        nonlocal decoded
        decoded += 1
        if decoded == 100:
            os.kill(os.getpid(), signal.SIGINT)
        return decode(path, mode)

    with monkeypatch.context() as patched:
        patched.setattr(images, "decode", interrupt)
        assert stats(capsys, data, "--save", state).status == 130
    assert len(json.loads(state.read_text())["done"]) <= 128
    stats(capsys, data, "--resume", state)
    assert json.loads(state.read_text()) == expected


def test_an_interrupt_without_a_state_says_so(data, capsys, monkeypatch):
    interrupted_after(1, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    done = stats(capsys, data)
    assert done.status == 130 and "nothing was saved, as --save FILE would have" in done.err
    assert signal.getsignal(signal.SIGINT) is before


def test_the_state_is_saved_now_and_then(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(work, "SAVE_SECONDS", 0.0)
    saved = []
    save = State.save

    def count(self, path):
        saved.append(len(self.done))
        save(self, path)

    monkeypatch.setattr(State, "save", count)
    whole(data, capsys, tmp_path / "state.json")
    assert len(saved) > 5 and saved == sorted(saved)


def test_strict_saves_what_came_before(data, tmp_path, capsys):
    state = tmp_path / "state.json"
    assert stats(capsys, data, "--strict", "--save", state).status == 1
    kept = json.loads(state.read_text())
    # A group of images is counted as a whole, or not.
    assert len(kept["done"]) == 64 and not kept["broken"]
    expected = whole(data, capsys, tmp_path / "whole.json")
    stats(capsys, data, "--resume", state)
    assert json.loads(state.read_text()) == expected


def test_more_files_and_mended_ones_are_added(tmp_path, capsys):
    folder, state = tmp_path / "data", tmp_path / "state.json"
    write(folder, "L", [(8, 9)] * 10)
    content = (folder / "0003.png").read_bytes()
    (folder / "0003.png").write_bytes(b"")
    done = stats(capsys, folder, "--save", state)
    assert done.status == 0 and "9 files read, 1 could not be read" in done.out
    (folder / "0003.png").write_bytes(content)
    write(tmp_path / "more", "L", [(8, 9)] * 5, seed=1)
    other = tmp_path / "other.json"
    before = state.read_text()
    found = results(capsys, tmp_path, folder, tmp_path / "more", "--resume", state, "--save", other)
    assert found["files"] == 15 and not found["broken"]
    assert state.read_text() == before != other.read_text()
    everything = results(capsys, tmp_path, folder, tmp_path / "more")
    assert found["kinds"][0]["moments"] == everything["kinds"][0]["moments"]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"kind": "numbanorm.stats", "version": 99}', "\0", '{"kind": 3}'],
)
def test_what_is_no_state_is_refused(content, data, tmp_path, capsys):
    state = tmp_path / "state.json"
    state.write_text(content)
    done = stats(capsys, data, "--resume", state)
    assert done.status == 2 and "--resume must be a file that --save wrote" in done.err
    assert state.read_text() == content
    done = stats(capsys, data, "--resume", tmp_path / "missing.json")
    assert done.status == 2 and "--resume must be a file to read" in done.err


def test_damaged_states_are_refused(data, tmp_path, capsys):
    state = tmp_path / "state.json"
    found = whole(data, capsys, state)
    for change in (
        {"tallies": [found["tallies"][0] | {"channels": ["a", "b"]}]},
        {"settings": {"speed": 3}},
        {"broken": None},
        {"opened": {"file": "x"}},
        {"tallies": [found["tallies"][0] | {"histogram": {"counts": [1, 2]}}]},
    ):
        state.write_text(json.dumps(found | change))
        done = stats(capsys, data, "--resume", state)
        assert done.status == 2 and "--resume must be a file that --save wrote" in done.err


def test_settings_must_be_the_same(data, tmp_path, capsys):
    state = tmp_path / "state.json"
    assert stats(capsys, data / "a", "--save", state, "--mode", "L").status == 0
    done = stats(capsys, data, "--resume", state, "--mode", "RGB")
    assert done.status == 2 and f"--mode must be as in {state}, where it was L" in done.err
    done = stats(capsys, data, "--resume", state, "--plot", tmp_path / "x.png")
    assert done.status == 2 and "--plot must be as in " in done.err
    # What is not said again is as it was.
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(data / "a/rgb.png")
    done = stats(capsys, data / "a", "--resume", state)
    assert done.status == 0 and "grey, 8 bits: 150 images" in done.out
