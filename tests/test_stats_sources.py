"""What `numbanorm stats` finds to read: folders, globs, lists on standard input."""

import os

import numpy as np
import pytest
from stats_files import stats, write

from numbanorm.stats import sources
from numbanorm.stats.options import Refusal


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder with images in folders, and what is to be passed over."""
    for name in ("b", "a/deep", "a"):
        write(tmp_path / "tree" / name, "L", [(2, 3)] * 2)
    (tmp_path / "tree/a/notes.txt").write_text("no image")
    (tmp_path / "tree/a/._0000.png").write_text("made by a Mac")
    (tmp_path / "tree/.hidden").mkdir()
    np.save(tmp_path / "tree/b/x.npy", np.zeros((2, 3, 4, 1), np.uint8))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tree"


IN_ORDER = ["a/0000.png", "a/0001.png", "a/deep/0000.png", "a/deep/0001.png"]
IN_ORDER += ["b/0000.png", "b/0001.png", "b/x.npy"]


def names(tree, *paths):
    return [os.path.relpath(path, tree) for path in sources.find(paths)]


def test_folders_are_searched_in_order(tree):
    assert names(tree, "tree") == names(tree, f"{tree}/") == IN_ORDER


def test_a_file_counts_once(tree):
    assert names(tree, "tree/b/0001.png", "tree", str(tree / "a")) == [
        "b/0001.png",
        *(name for name in IN_ORDER if name != "b/0001.png"),
    ]


def test_globs(tree):
    assert names(tree, "tree/**/*.png") == IN_ORDER[:-1]
    assert names(tree, "tree/?/0001.png") == ["a/0001.png", "b/0001.png"]
    assert names(tree, "tree/*") == IN_ORDER


def test_a_name_that_looks_like_a_glob_is_a_name(tree):
    write(tree / "[1]", "L", [(2, 3)])
    assert names(tree, "tree/[1]/0000.png") == ["[1]/0000.png"]


def test_links_that_lead_back_are_not_followed(tree):
    (tree / "a/up").symlink_to(tree, target_is_directory=True)
    (tree / "c").symlink_to(tree / "b", target_is_directory=True)
    assert names(tree, "tree") == [*IN_ORDER, *(f"c/{name[2:]}" for name in IN_ORDER[4:])]


@pytest.mark.parametrize("path", ["missing", "missing/*.png", "tree/**/*.jpg", "tree/empty"])
def test_what_is_not_there_is_an_error(path, tree, capsys):
    (tree / "empty").mkdir()
    done = stats(capsys, tree / "a", path)
    assert done.status == 2 and done.out == "" and path in done.err


@pytest.mark.parametrize("null", [False, True])
def test_standard_input_is_a_list(null, tree, capsys, monkeypatch):
    end = b"\0" if null else b"\n"
    paths = b"tree/a/0000.png" + end + b"tree/b/0000.png" + end
    options = ["-0"] if null else []
    done = stats(capsys, "-", *options, stdin=paths, monkeypatch=monkeypatch)
    assert done.status == 0 and "2 files read" in done.out
    paths += b"gone.png" + end
    done = stats(capsys, "-", *options, stdin=paths, monkeypatch=monkeypatch)
    assert done.status == 2 and "'gone.png' on standard input" in done.err
    done = stats(capsys, "-", *options, stdin=b"", monkeypatch=monkeypatch)
    assert done.status == 2


def test_names_that_are_no_text(tree, capsys):
    name = os.fsencode(tree) + b"/a/\xff.png"
    os.rename(os.fsencode(tree / "a/0000.png"), name)
    done = stats(capsys, tree / "a")
    assert done.status == 0 and "4 files read" in done.out


def test_folders_that_may_not_be_read_are_named(tree, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Refusal, match="must be a folder to read, got: Permission denied"):
        sources.find(("tree",))
