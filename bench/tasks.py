"""Tasks that end when they are told to.

A library that a driver waits in may swallow a cancellation: `asyncio.wait_for` of Python 3.11 does if its result
comes at the same moment. A verb that goes on after an abort could switch a supply on again; so whoever stops a task
here says it again until it has ended. A TaskGroup would tell its tasks only once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from bench.errors import BenchError

STOP_AGAIN_S = 1.0

T = TypeVar("T")


def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task now, and every second until it has ended; returns at once."""
    if not task.done():
        task.cancel()
        asyncio.get_running_loop().call_later(STOP_AGAIN_S, stop, task)


def ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of several errors that a person can act on; all of them if none is."""
    for error in group.exceptions:
        found = ours(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, BenchError):
            return found
    return group


async def at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at the same time; when one fails, or the caller is cancelled, the others are stopped.

    Returns:
        their results, in order.

    Raises:
        ExceptionGroup: what went wrong, in order; it is raised when all have ended.
    """
    tasks = [asyncio.create_task(one) for one in work]
    cancelled = stopping = False
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError:
            cancelled = True
        failed = any(task.done() and (task.cancelled() or task.exception()) for task in tasks)
        if (cancelled or failed) and not stopping:
            stopping = True
            for task in tasks:
                stop(task)
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if cancelled:
        raise asyncio.CancelledError
    if errors:
        raise BaseExceptionGroup("several things were done at once", errors)
    return [task.result() for task in tasks]
