"""From which size on results are written past the caches: by the caches' sizes, or measured."""

import json
import os

import pytest
from processes import run

from numbanorm.threads import caches, processor

MIB = 1 << 20


def machine(folder, second, third):
    """Write what Linux tells of two processors' caches, `third` being their sizes and sharers."""
    for cpu in (0, 1):
        levels = [(1, "Data", 48, str(cpu)), (1, "Instruction", 64, str(cpu))]
        levels += [(2, "Unified", second, str(cpu))]
        levels += [(3, "Unified", size, shared) for size, shared in third if str(cpu) in shared]
        for i, values in enumerate(levels):
            index = folder / f"cpu{cpu}" / "cache" / f"index{i}"
            index.mkdir(parents=True)
            names = "level", "type", "size", "shared_cpu_list"
            for name, value in zip(names, values, strict=True):
                value = f"{value}K" if name == "size" else value
                (index / name).write_text(f"{value}\n", "ascii")


@pytest.mark.parametrize(
    ("name", "third", "alone", "together"),
    [
        ("AuthenticAMD 25", [(32 << 10, "0-1")], 32 * MIB, 32 * MIB),
        ("AuthenticAMD 23", [(32 << 10, "0"), (32 << 10, "1")], 32 * MIB, 64 * MIB),
        ("AuthenticAMD 21", [(48 << 10, "0,1")], 24 * MIB, 24 * MIB),
        ("GenuineIntel 6", [(48 << 10, "0,1")], 24 * MIB, 24 * MIB),
        ("GenuineIntel 6", [(480 << 10, "0-1")], 32 * MIB, 64 * MIB),
        ("", [], 3 * MIB, 6 * MIB),
    ],
)
def test_by_sizes(tmp_path, monkeypatch, name, third, alone, together):
    machine(tmp_path, 2 << 10, third)
    monkeypatch.setattr(caches, "_CPUS", tmp_path)
    vendor, _, family = name.partition(" ")
    found = {"vendor_id": vendor, "cpu family": family} if name else {}
    monkeypatch.setattr(processor, "facts", lambda: found)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    limits = caches.by_sizes()
    assert (limits.of(1), limits.of(2)) == (alone, together)


def test_by_no_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "_CPUS", tmp_path)
    limits = caches.by_sizes()
    assert limits.of(3) == 3 * limits.of(1) > 0


# Copies that, past the caches, are slower up to 8 MiB for each thread, and faster from there on.
MEASURE = """
import sys
from numbanorm.threads import caches

def seconds(call, least):
    y, _, _, workers, streamed = call.args
    cached = y.nbytes <= (8 << 20) * workers
    return y.nbytes * (1 if streamed else 0.5 if cached else 2)

caches._seconds = seconds
print(*caches.measure(print, int(sys.argv[1])), *caches.deciding())
"""
SHOW = """
from numbanorm.calls import lookup
from numbanorm.threads import caches, shared
lookup.kernels()
limits = shared.words(shared.STREAM_ALONE)[0], shared.words(shared.STREAM_EACH)[0]
print(list(caches.deciding()), *limits)
print(caches.is_measured())
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_a_measurement_is_kept(tmp_path, threads):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert "sizes" in run(SHOW, environment=environment)
    each = 24 * MIB if threads == 2 else 0
    assert run(MEASURE, threads, environment=environment).startswith(f"{24 * MIB} {each} ")
    found = run(SHOW, environment=environment)
    assert "measurement" in found and f"{24 * MIB} {each}\nTrue" in found


def test_a_measurement_on_another_machine_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(caches._store, "read", lambda _, name: None)
    assert caches.deciding.__wrapped__() == (caches.by_sizes(), "the caches' sizes")
    stored = {caches._file_name(): json.dumps([5, 6]).encode()}
    monkeypatch.setattr(caches._store, "read", lambda _, name: stored.get(name))
    assert caches.deciding.__wrapped__() == (caches.Limits(5, 6), "measurement")
    monkeypatch.setattr(os, "cpu_count", lambda: 977)
    assert caches.deciding.__wrapped__() == (caches.by_sizes(), "the caches' sizes")
