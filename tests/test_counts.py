"""The number of threads: who may say it, whose word holds where, and for how long."""

import asyncio
import contextlib
import os
import threading

import numpy as np
import pytest
from processes import run

import numbanorm as nbn
from numbanorm.threads import counts, shared, workers

VARIABLES = ("NUMBANORM_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS")
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ASK = "import numbanorm as nbn; print(nbn.get_num_threads())"


def environment(*values):
    """Return these variables' values; None removes a variable."""
    return dict(zip(VARIABLES, values, strict=True))


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    """What another test has set does not count here."""
    monkeypatch.setattr(counts, "_chosen", None)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (("3", "4", "5"), 3),
        ((" 3 ", None, None), 3),
        ((None, "4", "5"), 4),
        (("", "4", None), 4),
        ((None, str(CORES), "5"), CORES),
        ((None, None, "5"), 5),
        ((None, None, "5,2"), 5),
        ((None, None, " 5 , 2 "), 5),
        # OpenMP's implementations ignore these.
        ((None, None, "0"), CORES),
        ((None, None, "-2"), CORES),
        ((None, None, "two"), CORES),
        ((None, None, "5,x"), CORES),
        ((None, None, "5,0"), CORES),
        ((None, None, "9" * 5000), CORES),
        ((None, None, ""), CORES),
        ((None, None, None), CORES),
    ],
)
def test_variables(values, wanted):
    found = int(run(ASK, environment=environment(*values)))
    if wanted == CORES:
        # A quota may allow fewer.
        assert 1 <= found <= CORES
    else:
        assert found == wanted


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "4,2", "²", "9" * 5000])
def test_a_malformed_variable(value):
    code = """
import numpy as np
import numbanorm as nbn
for call in nbn.get_num_threads, lambda: nbn.layer_norm(np.ones((512, 512)), 512):
    try:
        call()
    except ValueError as error:
        print(error)
nbn.set_num_threads(2)
print(nbn.get_num_threads())
"""
    message = f"NUMBANORM_NUM_THREADS must be an int of 1 or more, got {value!r}"
    out = run(code, environment={"NUMBANORM_NUM_THREADS": value, "PYTHONIOENCODING": "utf-8"})
    assert out.splitlines() == [message, message, "2"]


ORDER = """
import numba, numpy as np
import numbanorm as nbn
from numbanorm.threads import counts

print(*counts.deciding())
numba.set_num_threads(2)
print(*counts.deciding())
nbn.set_num_threads(6)
print(*counts.deciding())
with nbn.num_threads(7):
    print(*counts.deciding())
print(*counts.deciding())
"""


def test_the_order():
    after = ["6 numbanorm.set_num_threads", "7 numbanorm.num_threads"]
    after.append(after[0])
    for values, first, second in [
        ((None, "4", "5"), "4 NUMBA_NUM_THREADS", "2 numba.set_num_threads"),
        (("3", "4", "5"), "3 NUMBANORM_NUM_THREADS", "3 NUMBANORM_NUM_THREADS"),
    ]:
        out = run(ORDER, options=("-W", "ignore"), environment=environment(*values))
        assert out.splitlines() == [first, second, *after]


def test_info_says_what_decided():
    code = "from numbanorm import _info; print(_info.report())"
    out = run(code, environment=environment(None, None, "5,2"))
    assert "\nthreads          5, by OMP_NUM_THREADS\n" in out
    assert "OMP_NUM_THREADS=5,2" in out
    out = run(code, environment=environment("x", None, None))
    assert "\nthreads          NUMBANORM_NUM_THREADS must be an int" in out
    assert "NUMBANORM_NUM_THREADS=x" in out


IN_NUMBA = """
import os, threading
import numba
import numbanorm as nbn

wanted = nbn.get_num_threads()
# As Numba has it, for the Python thread that asked.
numba.set_num_threads(1)
assert nbn.get_num_threads() == 1
found = []
other = threading.Thread(target=lambda: found.append(nbn.get_num_threads()))
other.start()
other.join()
assert found == [wanted] == [4], found
"""


def test_numbas_own_holds_for_its_thread():
    values = environment(None, "4", None)
    run(IN_NUMBA, options=("-W", "ignore"), environment=values)


def test_blocks_nest_and_end_by_exceptions():
    before = nbn.get_num_threads()
    limit = nbn.num_threads(5)
    with limit:
        nbn.set_num_threads(9)
        assert nbn.get_num_threads() == 5
        with contextlib.suppress(ZeroDivisionError), nbn.num_threads(2):
            with limit:
                assert nbn.get_num_threads() == 5
            assert nbn.get_num_threads() == 2
            raise ZeroDivisionError
        assert nbn.get_num_threads() == 5
    assert nbn.get_num_threads() == 9 != before


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n must be 1 or more, got 0"),
        (1.0, TypeError, "n must be an int, got 1.0"),
        (True, TypeError, "n must be an int, got True"),
    ],
)
def test_no_number(n, error, message):
    with pytest.raises(error, match=message):
        nbn.num_threads(n)


def test_blocks_hold_for_their_thread():
    nbn.set_num_threads(4)
    together, found = threading.Barrier(3), {}

    def ask(n):
        with nbn.num_threads(n):
            together.wait(60)
            found[n] = nbn.get_num_threads()
            together.wait(60)

    threads = [threading.Thread(target=ask, args=[n]) for n in (1, 2)]
    with nbn.num_threads(3):
        outside = threading.Thread(target=lambda: found.update(out=nbn.get_num_threads()))
        for thread in (*threads, outside):
            thread.start()
        together.wait(60)
        found[3] = nbn.get_num_threads()
        together.wait(60)
    for thread in (*threads, outside):
        thread.join()
    assert found == {1: 1, 2: 2, 3: 3, "out": 4}


def test_blocks_hold_for_their_task():
    """One that waits within a block must not hand its number to those that work meanwhile."""
    nbn.set_num_threads(4)

    async def ask(n, others):
        with nbn.num_threads(n):
            await others.wait()
            return nbn.get_num_threads(), await asyncio.to_thread(nbn.get_num_threads)

    async def main():
        others = asyncio.Barrier(3)
        first, second = asyncio.create_task(ask(1, others)), asyncio.create_task(ask(2, others))
        await others.wait()
        return nbn.get_num_threads(), await first, await second

    assert asyncio.run(main()) == (4, (1, 1), (2, 2))


def test_a_block_is_how_many_work(monkeypatch):
    """What is asked is what a call takes."""
    taken, run_it = [], workers.run

    def spy(operation, view, args, workers):
        taken.append(workers)
        run_it(operation, view, args, workers)

    monkeypatch.setattr(workers, "run", spy)
    x = np.ones((4, 8, 64, 64), np.float32)
    nbn.set_num_threads(2)
    with nbn.num_threads(1):
        nbn.instance_norm(x)
    nbn.instance_norm(x)
    assert taken == [1, 2]


def test_c_callers_are_in_no_block():
    number = shared.words(shared.THREADS)
    before = number[0]
    try:
        with nbn.num_threads(7):
            nbn.set_num_threads(3)
            workers.serve_c()
        assert number[0] == 3
    finally:
        number[0] = before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_go_on():
    code = """
import os
import numbanorm as nbn
nbn.set_num_threads(6)
with nbn.num_threads(7):
    if os.fork() == 0:
        print(nbn.get_num_threads(), end=" ")
    else:
        os.wait()
print(nbn.get_num_threads(), end=" ", flush=True)
"""
    assert run(code, options=("-W", "ignore")).split() == ["7", "6", "6"]


JOBLIB = """
import joblib
import numbanorm as nbn

if __name__ == "__main__":
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=3):
        calls = [joblib.delayed(nbn.get_num_threads)() for _ in range(4)]
        print(*joblib.Parallel()(calls))
"""


def test_workers_of_joblib():
    """Joblib tells its workers by the variables of OpenMP and Numba, as Dask and Ray do."""
    pytest.importorskip("joblib")
    out = run(JOBLIB, options=("-W", "ignore"), environment=environment(None, None, None))
    assert out.split() == ["3"] * 4


LOADER = """
import sys
import torch
import numbanorm as nbn

class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return nbn.get_num_threads()

def set_in_worker(_):
    nbn.set_num_threads(3)

def numbers(start, init=None):
    loader = torch.utils.data.DataLoader(
        Numbers(), num_workers=2, multiprocessing_context=start, worker_init_fn=init
    )
    return sorted(set(torch.cat(list(loader)).tolist()))

if __name__ == "__main__":
    print(nbn.get_num_threads())
    for start in sys.argv[1:]:
        print(*numbers(start), *numbers(start, set_in_worker))
        # What the parent says of itself.
        nbn.set_num_threads(6)
        with nbn.num_threads(7):
            print(*numbers(start), *numbers(start, set_in_worker))
    print(nbn.get_num_threads())
"""


@pytest.mark.peers
def test_workers_of_a_data_loader(tmp_path):
    """PyTorch's own operations take one thread there, whatever its parent takes."""
    pytest.importorskip("torch")
    program = tmp_path / "program.py"
    program.write_text(LOADER)
    starts = ["fork", "spawn"] if hasattr(os, "fork") else ["spawn"]
    values = environment("4", None, None)
    out = run(program, *starts, timeout=300, options=("-W", "ignore"), environment=values)
    assert out.splitlines() == ["4", *["1 3"] * 2 * len(starts), "6"]
