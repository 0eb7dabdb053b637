"""How far from close to call what scenes show is: margins of the picture rules, by relation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt
import torch

from spatial_core.geometry import DEAD_ZONE, margins
from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.closure import AMBIGUOUS, BY_STATE, FALSE, FAMILIES, TRUE, Statement
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.sampling import SceneBatch

MEASURED: tuple[str, ...] = tuple(name for name in FAMILIES if name not in BY_STATE)
"""Relations that are a matter of degree. The others hold by who holds whom, and have no margin."""


@dataclass(frozen=True)
class FamilyMargins:
    """Every statement of one relation about the named things of some scenes.

    Attributes:
        margins: Float64 `[N]` in [-1, 1], from the picture alone; undecided within `DEAD_ZONE` of 0.
        states: Int8 `[N]`, what the closure makes of picture and world: 1 true, 0 false, -1 ambiguous. Only
            true and false statements are ever used.
    """

    margins: npt.NDArray[np.float64]
    states: npt.NDArray[np.int8]

    def of(self, state: int) -> npt.NDArray[np.float64]:
        """Return the margins of the statements of one state."""
        return self.margins[self.states == state]

    @property
    def in_dead_zone(self) -> float:
        """Share of all statements that the picture leaves undecided; NaN without statements."""
        return float((np.abs(self.margins) < DEAD_ZONE).mean()) if len(self.margins) else float("nan")


def family_margins(batch: SceneBatch) -> dict[str, FamilyMargins]:
    """Return the margins of every relation in `MEASURED`, over all ordered choices of named things."""
    rendering = batch.rendering
    boxes, distances = rendering.full_boxes.double().cpu(), rendering.distances.double().cpu()
    named = [
        [i for i, o in enumerate(scene.objects) if o.named and OBJECT_KINDS[o.kind].category == "object"]
        for scene in batch.scenes
    ]
    size = rendering.images.shape[-1]
    ranges = [(float(distances[k, who].min()), float(distances[k, who].max())) for k, who in enumerate(named)]
    found: dict[str, FamilyMargins] = {}
    for name in MEASURED:
        # `between` says the same of its two sides in either order.
        chosen = [
            (k, who)
            for k, things in enumerate(named)
            for who in permutations(things, RELATIONS[name].arity)
            if name != "between" or who[1] < who[2]
        ]
        states = [batch.closures[k].state(Statement(name, who[0], who[1:])) for k, who in chosen]
        if not chosen:
            found[name] = FamilyMargins(np.zeros(0), np.zeros(0, np.int8))
            continue
        row = torch.tensor([[k] for k, _ in chosen])
        index = torch.tensor([who for _, who in chosen])
        margin = margins(
            name,
            boxes[row, index],
            distances=distances[row, index],
            image_size=(size, size),
            distance_range=torch.tensor([ranges[k] for k, _ in chosen], dtype=torch.float64),
        )
        # What the rule leaves open counts as undecided.
        found[name] = FamilyMargins(margin.nan_to_num(0.0).numpy(), np.array(states, np.int8))
    return found


def histogram(found: FamilyMargins, *, bins: int = 40) -> dict[str, list[int]]:
    """Return how many true, false and ambiguous statements lie in each of `bins` equal parts of [-1, 1]."""
    edges = np.linspace(-1.0, 1.0, bins + 1)
    return {
        name: np.histogram(found.of(state), edges)[0].tolist()
        for name, state in (("true", TRUE), ("false", FALSE), ("ambiguous", AMBIGUOUS))
    }
