"""From a prompt to the text half of a pair: its perturbed twin, and a coin for which of the two is chosen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_core.language.closure import Closure
from spatial_core.language.perturb import Perturbation, perturb
from spatial_core.language.scene_graph import SceneGraph
from spatial_trainers.dataset.drafts import Failure, pair_id
from spatial_trainers.pairs.records import Record

_LIMIT = 16

Allowed = Callable[[Perturbation], bool]


def perturbed_record(
    graph: SceneGraph,
    num_edits: int,
    rng: np.random.Generator,
    *,
    split: str,
    number: int,
    scene: str,
    licence: str,
    allowed: Allowed = lambda twin: True,
    fewer: bool = True,
) -> Record | Failure:
    """Return the record of a prompt and a perturbed twin, without anything about pictures.

    Twins are proven: what is edited cannot be true of a picture of the other prompt, either way round. Which
    of the two is called chosen is decided by a coin, so that no trace of the editing tells them apart.

    Args:
        graph: The prompt.
        num_edits: That lead from one prompt to the other.
        rng: Decides the edits and the coin.
        split: Of the pair.
        number: Of the pair within the split.
        scene: What kind of place the prompt describes.
        licence: Of the prompt.
        allowed: Whether a twin may be used.
        fewer: Whether fewer edits will do where the prompt allows no twin with so many.
    """
    fault = Closure.of(graph).contradiction
    if fault:
        return Failure(pair_id(split, number), "prompt", f"it contradicts itself: {fault}", graph.text)
    for edits in range(num_edits, 0 if fewer else num_edits - 1, -1):
        twins = [t for t in perturb(graph, edits, rng, limit=_LIMIT) if allowed(t)]
        if twins:
            twin = twins[int(rng.integers(len(twins)))]
            texts = _swapped(graph, twin) if rng.random() < 0.5 else _straight(graph, twin)
            about = {"id": pair_id(split, number), "split": split, "scene": scene}
            return about | texts | {"licence": licence, "review": None}
    return Failure(
        pair_id(split, number), "prompt", "no perturbation of it can be proven false and possible", graph.text
    )


def _straight(graph: SceneGraph, twin: Perturbation) -> Record:
    edits = [
        {
            "kind": edit.kind,
            "edit": order,
            "relation_index": edit.relation_index,
            "before": edit.before,
            "after": edit.after,
            "span": list(edit.span),
        }
        for order, edit in enumerate(twin.edits)
    ]
    return _texts(graph, twin.graph, edits)


def _swapped(graph: SceneGraph, twin: Perturbation) -> Record:
    """Return the pair read the other way: the twin is the prompt, and the edits lead back."""
    edits = [
        {
            "kind": edit.kind,
            "edit": order,
            "relation_index": edit.relation_index,
            "before": edit.after,
            "after": edit.before,
            "span": list(graph.relations[edit.relation_index].span),
        }
        for order, edit in enumerate(twin.edits)
    ]
    return _texts(twin.graph, graph, edits)


def _texts(before: SceneGraph, after: SceneGraph, edits: list[Record]) -> Record:
    return {
        "prompt": before.text,
        "prompt_rejected": after.text,
        "edits": edits,
        "graph": before.to_dict(),
        "graph_rejected": after.to_dict(),
    }
