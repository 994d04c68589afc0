"""Threads that wait for work: the launcher of a Python process (see `launch`).

A launch opens a *region*: work, with a number of seats. Threads that are awake take seats, those
asleep are woken, and the caller works too; when it finds nothing left to do it closes the region
and waits only for those who took a seat. So a thread that Linux does not run at once (it is still
waking up, or other programs have the cores) costs nothing but its help: a team of OpenMP, which
waits for every member, took 0.7 ms instead of 0.08 for calls in a virtual machine whose threads
had been put on one core, and 8 ms with busy neighbours. One region is open at a time; a thread that
comes when there is one works alone. The first region for which there are too few threads makes
them, in whatever process it is: a forked child has none of its parent's.

Nothing here is Python's but the locks: no thread needs the GIL, and no signal interrupts any of it.
The memory the threads share is an array of int64 words.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.simd.pointers import I64, at
from numbanorm.kernels.threads.atomics import (
    add,
    address_at,
    both,
    either,
    exchange,
    exchange_if,
    number,
    put_address,
    seen,
)
from numbanorm.kernels.threads.launch import WORK
from numbanorm.kernels.threads.system import begin, end, new_lock, pause, wait, wake
from numbanorm.plan.tuning import MAX_WORKERS, WAKES
from numbanorm.threads import shared
from numbanorm.threads.shared import ASKED, LOOKS, MADE, POOL, POOL_WORDS, SERVER, STOP

# The words, by their place; those that are written often have cache lines of their own. The state
# of the region is one number: its free seats above, how many took one below, and whether the caller
# waits for those (there are no seats then).
STATE, HELD, REGION = 0, 8, 16
SEAT, WAITED, TAKEN = 1 << 17, 1 << 16, (1 << 16) - 1
# The region's work, its data and its number of threads; the lock on which the caller waits.
WORK_AT, DATA, WORKERS, DONE = (REGION + i for i in range(4))
# For each thread: whether it sleeps, the lock on which it does, and what the system calls it.
ASLEEP = 32
LOCKS, HANDLES = ASLEEP + MAX_WORKERS, ASLEEP + 2 * MAX_WORKERS

llvm.add_symbol(POOL, shared.address(POOL))


@intrinsic
def pool(_: Any) -> Any:
    """Return the address of the words."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        module, kind = builder.module, ir.ArrayType(I64, POOL_WORDS)
        found = module.globals.get(POOL)
        found = ir.GlobalVariable(module, kind, POOL) if found is None else found
        return builder.gep(found, [I64(0), I64(0)])

    return types.CPointer(types.int64)(), codegen


@intrinsic
def work(_: Any, function: Any, k: Any, workers: Any, data: Any) -> Any:
    """Call the function of a region at an address as its thread number k."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        function, *given = args
        builder.call(builder.bitcast(function, WORK.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.int64, types.int64, types.voidptr), codegen


@leaf
def take_seat(shared):
    """Return this thread's number in the region, or 0 where no seat is free."""
    state = seen(at(shared, STATE))
    while state >= SEAT:
        before = exchange_if(at(shared, STATE), state, state - SEAT + 1)
        if before == state:
            return seen(at(shared, WORKERS)) - state // SEAT
        state = before
    return 0


@leaf
def rouse(shared):
    """Wake threads for the seats that those awake will leave free, a few."""
    state, made, asleep = seen(at(shared, STATE)), seen(at(shared, MADE)), 0
    for i in range(made):
        asleep += seen(at(shared, ASLEEP + i))
    idle = made - asleep - (state & TAKEN)
    wanted = min(WAKES, state // SEAT - idle)
    for i in range(made):
        if wanted > 0 and seen(at(shared, ASLEEP + i)) == 1:
            # Whoever sets it to 0 gives the lock back, once.
            if exchange(at(shared, ASLEEP + i), 0) == 1:
                wake(at(shared, LOCKS + i))
                wanted -= 1


@inlined
def sleep(shared, me):
    """Sleep until woken, unless a seat is free; returns like `take_seat`."""
    exchange(at(shared, ASLEEP + me), 1)
    # A caller opens its region before it looks who sleeps: one of the two sees the other.
    k = take_seat(shared)
    called = k > 0 or seen(at(shared, STOP)) > 0
    if not called or exchange(at(shared, ASLEEP + me), 0) == 0:
        wait(at(shared, LOCKS + me))
    return k


@inlined
def look(shared):
    """Wait a while for a seat; returns like `take_seat`."""
    k, looks = take_seat(shared), seen(at(shared, LOOKS))
    while k == 0 and looks > 0:
        pause()
        k, looks = take_seat(shared), looks - 1
    return k


@inlined
def wait_briefly(shared, looks):
    """Wait until nobody has a seat, or that has been looked for often enough."""
    while looks > 0 and seen(at(shared, STATE)) > 0:
        pause()
        looks -= 1


def serve(me):  # type: ignore[no-untyped-def]
    """Take seats until told to stop: what thread number `me` does."""
    shared, me = pool(), number(me)
    while seen(at(shared, STOP)) == 0:
        k = look(shared)
        if k == 0:
            k = sleep(shared, me)
        if k > 0:
            rouse(shared)
            workers = seen(at(shared, WORKERS))
            work(address_at(at(shared, WORK_AT)), k, workers, address_at(at(shared, DATA)))
            if add(at(shared, STATE), -1) == WAITED + 1:
                wake(at(shared, DONE))


@leaf
def grow(shared, wanted):
    """Make threads until there are so many, or the system gives no more."""
    # It is not asked again at each call.
    exchange(at(shared, ASKED), wanted)
    if seen(at(shared, DONE)) == 0:
        exchange(at(shared, DONE), new_lock())
    made = seen(at(shared, MADE))
    while made < min(wanted, MAX_WORKERS - 1) and seen(at(shared, DONE)) != 0:
        lock = at(shared, LOCKS + made)
        if seen(lock) == 0:
            exchange(lock, new_lock())
        if seen(lock) == 0 or not begin(at(shared, HANDLES + made), seen(at(shared, SERVER)), made):
            break
        made += 1
        exchange(at(shared, MADE), made)


def start(function, data, workers):  # type: ignore[no-untyped-def]
    """Work with up to `workers` threads, this one included, and wait for those that came."""
    shared = pool()
    if workers < 2 or exchange(at(shared, HELD), 1) == 1:
        work(function, 0, 1, data)
        return
    if workers - 1 > seen(at(shared, ASKED)):
        grow(shared, workers - 1)
    seats = min(workers - 1, seen(at(shared, MADE)))
    put_address(at(shared, WORK_AT), function)
    put_address(at(shared, DATA), data)
    exchange(at(shared, WORKERS), seats + 1)
    exchange(at(shared, STATE), seats * SEAT)
    rouse(shared)
    work(function, 0, seats + 1, data)
    both(at(shared, STATE), TAKEN)
    wait_briefly(shared, seen(at(shared, LOOKS)))
    if seen(at(shared, STATE)) > 0 and either(at(shared, STATE), WAITED) > 0:
        wait(at(shared, DONE))
    exchange(at(shared, STATE), 0)
    exchange(at(shared, HELD), 0)


def stop():  # type: ignore[no-untyped-def]
    """End all threads, after the region that is open; none can be opened until `resume`."""
    shared = pool()
    while exchange(at(shared, HELD), 1) == 1:
        if seen(at(shared, STOP)) > 0:
            # They have ended, as they do before the interpreter.
            return
        pause()
    exchange(at(shared, STOP), 1)
    made = seen(at(shared, MADE))
    for i in range(made):
        if exchange(at(shared, ASLEEP + i), 0) == 1:
            wake(at(shared, LOCKS + i))
    for i in range(made):
        end(at(shared, HANDLES + i))


def resume():  # type: ignore[no-untyped-def]
    """Let regions be opened again, which make threads anew."""
    shared = pool()
    exchange(at(shared, MADE), 0)
    exchange(at(shared, ASKED), 0)
    exchange(at(shared, STOP), 0)
    exchange(at(shared, HELD), 0)


def idle(looks):  # type: ignore[no-untyped-def]
    """Look so many times for nothing, for it to be timed."""
    shared = pool()
    for _ in range(looks):
        if seen(at(shared, STATE)) < 0:
            break
        pause()
