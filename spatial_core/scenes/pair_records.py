"""The record of a scene pair, as every manifest holds it."""

from __future__ import annotations

from typing import Any

from spatial_core.scenes.captions import Caption
from spatial_core.scenes.closure import FALSE, TRUE, Closure
from spatial_core.scenes.pairs import ScenePair
from spatial_core.scenes.renderer import RENDERER_VERSION

_TRUTH = {TRUE: True, FALSE: False}


def pair_record(pair: ScenePair) -> dict[str, Any]:
    """Return everything that a manifest says of a pair but its id, split and pictures.

    "labels" holds, for each relation, whether it is true (null: too close to call): of the prompt in its own
    picture and in the other, then of the altered prompt in its own and in the other. An edit is listed once
    for each relation that it alters; a list in another order says some things as before, and those are not.
    """
    before, after = pair.graph, pair.graph_rejected
    labels = [
        _truth(pair.caption, pair.closure),
        _truth(pair.caption, pair.closure_rejected),
        _truth(pair.caption_rejected, pair.closure_rejected),
        _truth(pair.caption_rejected, pair.closure),
    ]
    return {
        "prompt": before.text,
        "prompt_rejected": after.text,
        "graph": before.to_dict(),
        "graph_rejected": after.to_dict(),
        "labels": labels,
        "edits": [
            {
                "kind": edit.kind,
                "edit": number,
                "relation_index": i,
                "before": before.words(before.relations[i]),
                "after": after.words(after.relations[i]),
                "span": list(after.relations[i].span),
            }
            for number, edit in enumerate(pair.edits)
            for i in edit.relations
            if not (labels[1][i] and labels[3][i])
        ],
        "generator": f"spatial_core.scenes {RENDERER_VERSION}",
        "seed": pair.seed,
        "licence": "CC0-1.0",
        "review": None,
    }


def _truth(caption: Caption, closure: Closure) -> list[bool | None]:
    return [_TRUTH.get(closure.state(statement)) for statement in caption.statements]
