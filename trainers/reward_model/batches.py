"""Comparisons as inputs of the reward model, prepared ahead of the step that needs them.

Shapes: C comparisons, R relations of the prompt that has most.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from spatial_core.reward_model import RewardInputs, SpatialRewardModel
from spatial_trainers.pairs.data import Comparison, ImageReference
from spatial_trainers.reward_model.previews import Previews

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True)
class ComparisonBatch:
    """C comparisons as one forward.

    Attributes:
        inputs: 2C rows: every comparison's better picture, then every worse one.
        labels: float32 `[2C, R]`: 1 the relation holds, 0 it does not, NaN unknown or no such relation.
    """

    inputs: RewardInputs
    labels: Tensor


class Batcher:
    """Makes batches; safe to share between threads."""

    def __init__(self, model: SpatialRewardModel, previews: Previews | None = None):
        """Prepare as `model` does; its weights are not used. Comparisons at a noise level need `previews`."""
        self._model = model
        self._previews: Any = previews
        # A fast tokenizer may not be used by two threads at once.
        self._lock = threading.Lock()

    def __call__(self, cases: Sequence[Comparison]) -> ComparisonBatch:
        """Return the comparisons as one batch.

        Raises:
            ValueError: If a picture cannot be read or a prompt is too long; names the pair.
        """
        sides = [(c, c.labels[worse], worse) for worse in (0, 1) for c in cases]
        shown = [
            (
                c.pair.chosen if c.other_way == bool(worse) else c.pair.rejected,
                None if c.level is None else (c.graph.text, c.level),
            )
            for c, _, worse in sides
        ]
        # Both ways of a pair show the same two pictures: each is read and encoded once. Previews
        # differ: each is of a candidate for the prompt that is judged.
        pictures = list(dict.fromkeys(shown))
        place = {picture: i for i, picture in enumerate(pictures)}
        try:
            images = [self._image(*picture) for picture in pictures]
            with self._lock:
                inputs = self._model.prepare(
                    images, [c.graph for c, _, _ in sides], image_of_row=[place[picture] for picture in shown]
                )
        except ValueError as error:
            raise ValueError(f"In the pairs {', '.join(c.pair.id for c in cases[:4])}...: {error}") from error
        labels = torch.full(inputs.packed.branch_mask.shape, float("nan"))
        for i, (_, values, _) in enumerate(sides):
            labels[i, : len(values)] = torch.tensor(values)
        return ComparisonBatch(inputs, labels)

    def _image(self, picture: ImageReference, preview: tuple[str, float] | None) -> Tensor:
        image = picture.read()
        return image if preview is None else self._previews.show(image, *preview)


def prefetched(make: Callable[[S], T], items: Iterable[S], *, depth: int) -> Iterator[T]:
    """Yield `make(item)` in order, `depth` of them prepared ahead by a thread."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
