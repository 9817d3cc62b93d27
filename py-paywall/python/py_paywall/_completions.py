"""How answers reach the event loops of a process: one queue a loop, which the loop itself empties.

A loop that can watch a pipe does (asyncio's and uvloop's do). For one that can't, a thread waits
and calls the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from weakref import WeakKeyDictionary

from py_paywall._native import Completions

_Loops = WeakKeyDictionary[asyncio.AbstractEventLoop, Completions]


class _Here(threading.local):
    """The loop that this thread asked for last: mostly it is the same again."""

    loop: asyncio.AbstractEventLoop | None = None
    completions: Completions | None = None


_loops: _Loops = WeakKeyDictionary()
_here = _Here()
_lock = threading.Lock()


def of(loop: asyncio.AbstractEventLoop) -> Completions:
    """The completions of a loop, which must be the running one."""
    if _here.loop is loop and _here.completions is not None:
        return _here.completions
    with _lock:
        completions = _loops.get(loop)
        if completions is None:
            _sweep()
            completions = Completions()
            _watch(loop, completions)
            _loops[loop] = completions
    _here.loop, _here.completions = loop, completions
    return completions


def _sweep() -> None:
    """Lets go of loops that were closed with reads under way: each future among these keeps its loop."""
    for loop, completions in list(_loops.items()):
        if loop.is_closed():
            del _loops[loop]
            completions.forget()


def _watch(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
    try:
        loop.add_reader(completions.fileno(), completions.drain)
    except (AttributeError, NotImplementedError, OSError):
        thread = threading.Thread(target=_wait, args=(loop, completions), name="py-paywall completions", daemon=True)
        thread.start()


def _wait(loop: asyncio.AbstractEventLoop, completions: Completions) -> None:
    # A loop that was closed takes no more calls, and nobody waits on it.
    with contextlib.suppress(RuntimeError):
        while True:
            completions.wait()
            loop.call_soon_threadsafe(completions.deliver)


def _forget() -> None:
    """In a child of a fork: its pipes are the parent's too, and must not take its answers."""
    global _loops, _here, _lock
    _loops, _here, _lock = WeakKeyDictionary(), _Here(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
