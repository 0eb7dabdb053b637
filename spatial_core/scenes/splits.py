"""Which combinations of kinds and a relation belong to which split: training never states what tests ask.

Every (kind, relation, kind) falls into one split by a hash, in the same way for a relation and its inverse,
and for all relations that say the same about support. A prompt of a split states combinations of that split
alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Literal

from spatial_core.scenes.closure import Statement
from spatial_core.scenes.scene import Scene

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2

# Relations that state one fact share one hash; the flag says that subject and object change places.
_CANONICAL: dict[str, tuple[str, bool]] = {
    "right_of": ("left_of", True),
    "below": ("above", True),
    "under": ("on", True),
    "behind": ("in_front_of", True),
    "stacked_on": ("on", False),
    "hidden_by": ("in_front_of", True),
    "smaller_than": ("larger_than", True),
    "near": ("next_to", False),
    "far_from": ("next_to", False),
}
_SYMMETRIC = frozenset({"next_to", "aligned_with"})


@cache
def split_of(subject: str, relation: str, object_: str = "picture") -> Split:
    """Return the split of a combination of kinds.

    The object of a place in the picture is "picture", that of `between` both kinds in order, joined by "+".
    """
    relation, exchanged = _CANONICAL.get(relation, (relation, False))
    if exchanged or (relation in _SYMMETRIC and subject > object_):
        subject, object_ = object_, subject
    digest = hashlib.sha256(f"{subject}|{relation}|{object_}".encode()).digest()
    share = int.from_bytes(digest[:6], "big") / 2**48
    if share < TEST_SHARE:
        return "test"
    return "validation" if share < TEST_SHARE + VALIDATION_SHARE else "train"


def kinds_of(scene: Scene) -> list[str]:
    """Return the kinds of the scene's objects, then "wall" and "floor", so that any index finds its kind."""
    return [*(o.kind for o in scene.objects), "wall", "floor"]


def statement_split(kinds: Sequence[str], statement: Statement) -> Split:
    """Return the split of a statement's combination, given `kinds_of` its scene."""
    anchors = sorted(kinds[o] for o in statement.objects) or ["picture"]
    return split_of(kinds[statement.subject], statement.relation, "+".join(anchors))
