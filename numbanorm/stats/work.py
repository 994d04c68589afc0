"""The work itself: tasks made from files, done by threads, and taken in the files' order."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from numbanorm._progress import Progress
from numbanorm.functional import num_threads
from numbanorm.stats import arrays, sources
from numbanorm.stats.parts import Images, Part, Task
from numbanorm.stats.state import State

# Images of one task: what a thread takes at once, and what is read again if it is broken off.
_FILES = 64
_FILE_BYTES = 1 << 20

# Tasks that wait or whose results do, for each thread.
_AHEAD = 2

SAVE_SECONDS = 30.0

# tqdm's own, but that parts of arrays count as parts of files.
_BAR = "{percentage:3.0f}%|{bar}| {n:,.0f}/{total:,} files [{elapsed}<{remaining}, {rate_fmt}]"


class End(enum.Enum):
    """How the work ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    # By a file that could not be read, with `--strict`.
    STRICT = "strict"


def run(state: State, files: list[str], threads: int, strict: bool, save: str | None) -> End:
    """Read files into a state.

    Parameters
    ----------
    state : State
        Where the statistics go. However the work ends, it is that of the first so many files.
    files : list of str
        What to read, in this order.
    threads : int
        How many work at once; the results don't depend on it.
    strict : bool
        Whether to stop at a file that can't be read.
    save : str or None
        The file that the state is written to each 30 seconds.
    """
    saved = time.monotonic()
    # All of them now: looking files up later would take the interpreter's lock from the threads
    # that decode at each call, which makes tiny images take twice as long.
    groups = list(_groups(files))
    with (
        Progress(len(files), _BAR, "files") as progress,
        _interrupts() as stop,
        contextlib.closing(_in_order(_tasks(state, groups), threads, stop)) as parts,
    ):
        for part in filter(state.wants, parts):
            for file, why in part.broken.items():
                progress.say(f"numbanorm stats: {sources.shown(file)}: {why}")
                if strict:
                    return End.STRICT
            state.take(part)
            progress.advance(part.share)
            if stop.is_set():
                break
            if save is not None and time.monotonic() - saved >= SAVE_SECONDS:
                state.save(save)
                saved = time.monotonic()
    return End.INTERRUPTED if stop.is_set() else End.DONE


def _groups(files: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield files that are read by one task, and arrays alone; that depends on the files only."""
    group: list[str] = []
    size = 0
    for file in files:
        array = sources.is_array(file)
        more = 0 if array else _size(file)
        if group and (array or len(group) == _FILES or size + more > _FILE_BYTES):
            yield tuple(group)
            group, size = [], 0
        if array:
            yield (file,)
        else:
            group.append(file)
            size += more
    if group:
        yield tuple(group)


def _tasks(state: State, groups: list[tuple[str, ...]]) -> Iterator[Task]:
    """Yield what is to be done but for what is done already."""
    settings = state.settings
    for group in groups:
        if len(group) == 1 and sources.is_array(group[0]):
            opened = state.opened
            start = opened.pieces if opened is not None and opened.file == group[0] else 0
            yield from arrays.pieces(group[0], settings, start)
        else:
            yield Images(group, settings.mode, settings.histograms)


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size
    except OSError:
        return 0


def _in_order(tasks: Iterator[Task], threads: int, stop: Event) -> Generator[Part, None, None]:
    """Yield the results of tasks in their order; end early where one has stopped."""
    pending: deque[Future[Part | None]] = deque()
    # Told apart from `stop`, which an interrupt sets.
    leave = _Either(stop)
    with ThreadPoolExecutor(threads, initializer=_alone) as pool:
        try:
            for task in tasks:
                pending.append(pool.submit(task, leave))
                if len(pending) > _AHEAD * threads:
                    part = pending.popleft().result()
                    if part is None:
                        return
                    yield part
            while pending:
                part = pending.popleft().result()
                if part is None:
                    return
                yield part
        finally:
            leave.set()
            for future in pending:
                future.cancel()


class _Either(Event):
    """An event that has happened too where another one has."""

    def __init__(self, other: Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Return whether one of both has happened."""
        return super().is_set() or self._other.is_set()


def _alone() -> None:
    """Let the calls of this thread use no others: there are as many threads as there should be."""
    num_threads(1).__enter__()


@contextlib.contextmanager
def _interrupts() -> Iterator[Event]:
    """Let Ctrl-C set an event, at first; a second one is as it was before."""
    stop = Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
