"""The command line: what it prints, and that the numbers in it are right."""

import re
import sys

import pytest

from numbanorm import _demo, cli


def test_demo_shows_what_batch_norm_does(capsys):
    assert cli.main(["demo"]) == 0
    text = capsys.readouterr().out
    for line in ("normalised, mean", "normalised, std", "training, with weight and bias"):
        assert line in text
    row = {m[1]: m[2].split() for m in re.finditer(r"^(\w+)\s+(-?[\d.]+ .*)$", text, re.M)}
    dark_mean, dark_std, bright_mean, bright_std = map(float, row["normalised"])
    assert abs(dark_mean) < 1e-4 and abs(bright_mean) < 1e-4
    assert dark_std == pytest.approx(1, abs=1e-4) and bright_std == pytest.approx(1, abs=1e-4)
    assert row["restored"] == row["original"]
    # momentum 0.1 from 0 and 1: a tenth of the dark digits' mean, and of their variance plus 0.9.
    images = _demo.load_digits() * 100
    trained = re.search(r"momentum=0.1, trained on dark +([\d.]+) +([\d.]+)", text)
    assert float(trained[1]) == pytest.approx(0.1 * images.mean(), rel=1e-4)
    assert float(trained[2]) == pytest.approx(0.9 + 0.1 * images.var(ddof=1), rel=1e-4)
    cumulative = re.search(r"momentum=None, trained on dark +([\d.]+)", text)
    assert float(cumulative[1]) == pytest.approx(images.mean(), rel=1e-4)


def test_demo_draws_a_png(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "digits.png"
    steps = _demo.digits()
    from numbanorm import _plot

    _plot.draw(steps, str(path))
    assert path.read_bytes().startswith(b"\x89PNG")


def test_digits_are_real_and_balanced():
    images = _demo.load_digits()
    assert images.shape == (400, 1, 28, 28)
    assert images.min() == 0 and images.max() == 1


def test_info_names_what_a_bug_report_needs(capsys):
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    for name in ("numbanorm", "numba", "numpy", "processor", "threading layer", "cache folder"):
        assert re.search(rf"^{name} +\S", text, re.M), name


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        cli.main(["fly"])
    assert "invalid choice" in capsys.readouterr().err


def test_a_frozen_program_builds_no_library(capsys, monkeypatch, tmp_path):
    """It would start itself, again and again, for the compiler."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert cli.main(["capi", "--prefix", str(tmp_path)]) == 1
    assert "got a frozen program" in capsys.readouterr().err
