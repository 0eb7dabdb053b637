"""The ways to search among candidates of one prompt: best-of-N, halving, cached drafts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from spatial_core.pipeline.draft import drafts
from spatial_core.pipeline.draw import Brush
from spatial_core.pipeline.output import Candidate
from spatial_core.pipeline.overlap import Score, overlapped
from spatial_core.pipeline.request import Settings
from spatial_core.pipeline.schedule import Part
from spatial_core.pipeline.stopping import chance_next_is_better, std_weight

Progress = Callable[[int], None]
"""Is told how many candidates are done."""


class Search:
    """Looks for the best `num_kept` of one prompt's candidates."""

    def __init__(
        self,
        brush: Brush,
        settings: Settings,
        score: Score,
        *,
        apart: bool,
        num_kept: int,
        interrupted: Callable[[], bool],
        progress: Progress,
    ) -> None:
        """Prepare to search.

        Args:
            brush: Draws.
            settings: How to search.
            score: Judges.
            apart: Whether it does so on another device than the one that draws, and so at the same time.
            num_kept: K, the images asked for.
            interrupted: Whether the caller wants to stop.
            progress: Is told what is done.
        """
        self.brush, self.settings, self.score, self.apart = brush, settings, score, apart
        self.num_kept, self.interrupted, self.progress = num_kept, interrupted, progress
        self._weight = std_weight(settings.selection)

    def run(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Draw and score `candidates`; return those that were drawn, in their order."""
        if self.settings.search == "halving":
            self._halving(candidates)
        elif self.settings.search == "cached":
            self._cached(candidates)
        else:
            self._best_of_n(candidates)
        return [candidate for candidate in candidates if candidate.image.numel()]

    def best(self, candidates: Sequence[Candidate], number: int) -> list[Candidate]:
        """Return the `number` best of `candidates`, best first; equals keep their order.

        Pictures that are finished come before previews, whose scores are not about the same thing.
        """
        return sorted(candidates, key=lambda c: (c.finished, self.value(c)), reverse=True)[:number]

    def value(self, candidate: Candidate) -> float:
        """Return what candidates are ordered by; those that have no score come last."""
        if not candidate.scored:
            return -math.inf
        return candidate.mean - self._weight * candidate.std if self._weight else candidate.mean

    def _best_of_n(self, candidates: Sequence[Candidate]) -> None:
        # Whether to stop early is only known from the scores.
        if self.apart and not self.settings.stops_early:
            with overlapped(self.score) as score:
                self._draw_and_score(candidates, score)
        else:
            self._draw_and_score(candidates, self.score)

    def _draw_and_score(self, candidates: Sequence[Candidate], score: Score) -> None:
        done: list[Candidate] = []

        def one_batch(batch: list[Candidate]) -> bool:
            self.brush.draw(batch)
            if self.interrupted():
                self._keep_complete(batch, done)
                return True
            score(batch)
            done.extend(batch)
            self.progress(len(batch))
            return self._enough(done)

        self.brush.batches(candidates, one_batch)

    def _halving(self, candidates: Sequence[Candidate]) -> None:
        alive = list(candidates)
        start = 0.0
        for stop, share in self.settings.stages:
            kept = max(self.num_kept, math.ceil(share * len(alive)))
            if kept == len(alive):
                continue
            self._advance(alive, Part(start, stop))
            if self.interrupted():
                return
            survivors = self.best(alive, kept)
            self.progress(len(alive) - kept)
            alive = [candidate for candidate in alive if candidate in survivors]
            start = stop
        self._advance(alive, Part(start))
        self.progress(len(alive))

    def _advance(self, alive: Sequence[Candidate], part: Part) -> None:
        def one_batch(batch: list[Candidate]) -> bool:
            self.brush.draw(batch, part)
            self.score(batch)
            return self.interrupted()

        self.brush.batches(alive, one_batch)

    def _cached(self, candidates: Sequence[Candidate]) -> None:
        def one_draft(batch: list[Candidate]) -> bool:
            self.brush.draw(batch)
            for candidate in batch:
                candidate.finished = False
            self.score(batch)
            self.progress(len(batch))
            return self.interrupted()

        before = self.brush.evaluations
        with drafts(self.brush.pipeline, self.settings.draft_threshold) as share_computed:
            self.brush.batches(candidates, one_draft)
            drafted = self.brush.evaluations - before
            self.brush.evaluations = before + drafted * share_computed()
        if not self.interrupted():
            chosen = self.best([candidate for candidate in candidates if candidate.scored], self.num_kept)
            self._advance(chosen, Part())

    def _keep_complete(self, batch: Sequence[Candidate], done: Sequence[Candidate]) -> None:
        """Drop the half-made pictures of an interrupted batch, unless there are no others."""
        if len(done) >= self.num_kept:
            for candidate in batch:
                candidate.repaint(candidate.image[:0])
        else:
            self.score(batch)

    def _enough(self, done: Sequence[Candidate]) -> bool:
        values = sorted((self.value(candidate) for candidate in done), reverse=True)
        if len(values) < self.num_kept:
            return False
        settings = self.settings
        if settings.score_threshold is not None and values[self.num_kept - 1] >= settings.score_threshold:
            return True
        if settings.stop_confidence is None or len(values) < max(2, self.num_kept):
            return False
        chance = chance_next_is_better(values, rank=self.num_kept)
        return chance < 1.0 - settings.stop_confidence
