"""Scoring on one device while the next candidates are drawn on another."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from spatial_core.pipeline.output import Candidate

Score = Callable[[Sequence[Candidate]], None]
"""Scores candidates in place."""


@contextmanager
def overlapped(score: Score) -> Generator[Score]:
    """Within this context, score with what it gives: it returns at once, and waits for the batch before.

    At the end of the context all is scored. What the scorer raises comes out of the next call, or of the end.
    """
    running: list[Future[None]] = []

    def later(batch: Sequence[Candidate]) -> None:
        if running:
            running.pop().result()
        running.append(pool.submit(score, list(batch)))

    with ThreadPoolExecutor(1, thread_name_prefix="spatial-score") as pool:
        yield later
        if running:
            running.pop().result()
