"""Batches on all cores of a CPU: each by one thread, several at a time.

A network's small layers by several threads wait for each other; beside other work on the machine that costs up to six
times the processor time.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Batch = TypeVar("Batch")
Result = TypeVar("Result")


def side_by_side(compute: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
    """Return `compute` of each batch, in their order; a few are computed ahead of the one that is asked for."""
    workers = _cores()
    threads = torch.get_num_threads()
    ahead: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers, "teacher", initializer=torch.set_num_threads, initargs=(1,))
    try:
        for batch in batches:
            ahead.append(pool.submit(compute, batch))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # some libraries have one number for all threads


def _cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
