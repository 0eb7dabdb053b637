"""The taxonomy: every spatial relation the suite knows, with what is true of it by definition.

Names are a public, stable vocabulary: a later release may add names, never change one.
Directions are the viewer's unless the frame says otherwise: "left" is left in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Axis = Literal["x", "y", "depth", "distance", "support", "containment", "size", "orientation", "order"]
Frame = Literal["viewer", "object", "support", "picture"]


@dataclass(frozen=True)
class RelationType:
    """One relation of the taxonomy.

    Attributes:
        name: Stable identifier, e.g. `left_of`.
        inverse: The relation that holds of (object, subject) whenever this one holds of (subject, object);
            the name itself for a symmetric relation, None where the taxonomy has none.
        axis: What the relation is about; two relations of one axis can contradict each other.
        frame: Whose point of view decides.
        arity: Number of participants, the subject included (a picture place has 1, `between` 3).
        wording: Unambiguous canonical predicate; follows "the <subject> is" and precedes the objects.
            `{0}` and `{1}` stand for the objects.
        contrary: Relations of the same participants that cannot hold together with this one.
        needs_depth: Undecidable from boxes alone.
        needs_contact: Holds only if the participants touch or support each other.
        needs_containment: Holds only if one participant encloses the other.
    """

    name: str
    inverse: str | None
    axis: Axis
    frame: Frame
    arity: int
    wording: str
    contrary: tuple[str, ...] = ()
    needs_depth: bool = False
    needs_contact: bool = False
    needs_containment: bool = False

    @property
    def symmetric(self) -> bool:
        """Whether subject and object may change places."""
        return self.inverse == self.name

    def predicate(self, objects: Sequence[str], part: str = "") -> str:
        """Return the canonical predicate with its objects: "to the left of the blue cup".

        Args:
            objects: Noun phrases with their determiners; places in the picture use none.
            part: Part of the first object that counts, e.g. "back edge".

        Raises:
            ValueError: If there are fewer objects than the relation has.
        """
        anchors = list(objects)
        if self.name == "between" and len(anchors) == 1:
            return f"between {anchors[0]}"
        if len(anchors) < self.arity - 1:
            raise ValueError(
                f"'{self.name}' needs {self.arity - 1} objects; got {anchors}. Name what is missing."
            )
        if part and anchors:
            anchors[0] = f"the {part} of {anchors[0]}"
            if self.name in ("at_corner", "at_edge"):
                return f"at {anchors[0]}"
        return self.wording.format(*anchors)


_TYPES = (
    RelationType("left_of", "right_of", "x", "viewer", 2, "to the left of {0}", ("right_of",)),
    RelationType("right_of", "left_of", "x", "viewer", 2, "to the right of {0}", ("left_of",)),
    RelationType("above", "below", "y", "viewer", 2, "above {0}", ("below", "under")),
    RelationType("below", "above", "y", "viewer", 2, "below {0}", ("above", "on")),
    RelationType(
        "on", "under", "support", "support", 2, "on top of {0}", ("under", "below"), needs_contact=True
    ),
    RelationType("under", "on", "support", "support", 2, "underneath {0}", ("on", "above")),
    RelationType(
        "in_front_of", "behind", "depth", "viewer", 2, "in front of {0}", ("behind",), needs_depth=True
    ),
    RelationType(
        "behind", "in_front_of", "depth", "viewer", 2, "behind {0}", ("in_front_of",), needs_depth=True
    ),
    RelationType("next_to", "next_to", "distance", "viewer", 2, "next to {0}", ("far_from",)),
    RelationType("near", "near", "distance", "viewer", 2, "near {0}", ("far_from",)),
    RelationType("far_from", "far_from", "distance", "viewer", 2, "far from {0}", ("near", "next_to")),
    RelationType("between", None, "x", "viewer", 3, "between {0} and {1}"),
    RelationType("inside", None, "containment", "support", 2, "inside {0}", needs_containment=True),
    RelationType("around", None, "containment", "viewer", 2, "around {0}", needs_containment=True),
    RelationType(
        "picture_left",
        None,
        "x",
        "picture",
        1,
        "on the left side of the picture",
        ("picture_right", "picture_center"),
    ),
    RelationType(
        "picture_right",
        None,
        "x",
        "picture",
        1,
        "on the right side of the picture",
        ("picture_left", "picture_center"),
    ),
    RelationType(
        "picture_top",
        None,
        "y",
        "picture",
        1,
        "at the top of the picture",
        ("picture_bottom", "picture_center"),
    ),
    RelationType(
        "picture_bottom",
        None,
        "y",
        "picture",
        1,
        "at the bottom of the picture",
        ("picture_top", "picture_center"),
    ),
    RelationType(
        "picture_center",
        None,
        "x",
        "picture",
        1,
        "in the center of the picture",
        ("picture_left", "picture_right", "picture_top", "picture_bottom"),
    ),
    RelationType(
        "foreground", None, "depth", "picture", 1, "in the foreground", ("background",), needs_depth=True
    ),
    RelationType(
        "background", None, "depth", "picture", 1, "in the background", ("foreground",), needs_depth=True
    ),
    RelationType("at_corner", None, "x", "object", 2, "at a corner of {0}"),
    RelationType("at_edge", None, "x", "object", 2, "at an edge of {0}"),
    RelationType("aligned_with", "aligned_with", "order", "viewer", 2, "in line with {0}"),
    RelationType("facing", None, "orientation", "object", 2, "facing {0}"),
    RelationType("leaning_against", None, "support", "support", 2, "leaning against {0}", needs_contact=True),
    RelationType(
        "stacked_on", "under", "support", "support", 2, "stacked on {0}", ("under",), needs_contact=True
    ),
    RelationType(
        "hidden_by", None, "depth", "viewer", 2, "partly hidden by {0}", ("in_front_of",), needs_depth=True
    ),
    RelationType("hanging_on", None, "support", "support", 2, "hanging on {0}", needs_contact=True),
    RelationType("opposite", "opposite", "depth", "object", 2, "opposite {0}"),
    RelationType("larger_than", "smaller_than", "size", "viewer", 2, "larger than {0}", ("smaller_than",)),
    RelationType("smaller_than", "larger_than", "size", "viewer", 2, "smaller than {0}", ("larger_than",)),
)

RELATIONS: dict[str, RelationType] = {relation.name: relation for relation in _TYPES}
"""Every relation by name, in the order of the public vocabulary."""
