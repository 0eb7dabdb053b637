"""What a place phrase says, once it is known whether it is of the picture or of a thing."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.triggers import Place

REGIONS = frozenset("half third quadrant part portion area section region zone row column".split())
"""Places that need a direction: "the left half"."""
_RIM = frozenset("edge edges rim border margin end ends foot head base tip lip perimeter".split())


def horizontal(place: Place) -> str:
    """Return "left", "right" or "" for a place phrase."""
    words = (*place.words, place.head)
    for word in words:
        if word in ("left", "left-hand", "upper-left", "lower-left", "leftmost", "left-most", "middle-left"):
            return "left"
        if word in (
            "right",
            "right-hand",
            "upper-right",
            "lower-right",
            "rightmost",
            "right-most",
            "middle-right",
        ):
            return "right"
    return ""


def vertical(place: Place) -> str:
    """Return "top", "bottom" or "" for a place phrase."""
    for word in (*place.words, place.head):
        if word in ("upper", "top", "upper-left", "upper-right", "topmost"):
            return "top"
        if word in ("lower", "bottom", "lower-left", "lower-right"):
            return "bottom"
    return ""


def resolve_picture(place: Place) -> tuple[str, ...]:
    """Return the picture places a phrase stands for when its anchor is the picture."""
    head = place.head
    if head in ("foreground",):
        return ("foreground",)
    if head in ("background", "distance"):
        return ("background",)
    if head in ("mid-ground", "midground", "middleground"):
        return ()
    names: list[str] = []
    across, along = horizontal(place), vertical(place)
    if "and" in place.words:
        return ("picture_left", "picture_right") if across else ("picture_top", "picture_bottom")
    if along:
        names.append(f"picture_{along}")
    if across:
        names.append(f"picture_{across}")
    if names:
        return tuple(names)
    if head in ("center", "centre", "middle", "midpoint") or any(
        w in ("center", "centre", "middle", "central") for w in place.words
    ):
        return ("picture_center",)
    if head == "front" or "front" in place.words:
        return ("foreground",)
    if head in ("back", "rear") or "back" in place.words or "rear" in place.words or "far" in place.words:
        return ("background",)
    return ()


def resolve_place(place: Place, anchor: str) -> tuple[tuple[str, ...], str]:
    """Return the relations a place phrase states of an anchor that is a thing, and the part it names.

    Args:
        place: The phrase.
        anchor: Head noun of the anchor, singular.
    """
    head, preposition = place.head, place.preposition
    if preposition == "against":
        return ("leaning_against",), place.part
    across, along = horizontal(place), vertical(place)
    surface, container = anchor in lx.SURFACES, anchor in lx.CONTAINERS or anchor in lx.PLACES
    support = "on" if surface and anchor not in lx.ROOMS else "inside" if container else "on"
    if head in ("foreground", "background", "distance", "mid-ground", "midground", "middleground"):
        return resolve_picture(place), ""
    if head in ("corner", "corners"):
        return ("at_corner",), place.part
    if head in _RIM:
        return ("at_edge",), place.part
    if head in ("center", "centre", "middle", "midpoint"):
        if across or along:
            return _sides(across, along, to=True) if preposition == "to" else ((support,), place.part)
        if preposition in ("near", "by", "toward", "towards"):
            return ("near" if preposition in ("near", "by") else support,), place.part
        return (support,), place.part
    if head in REGIONS:
        return (support,), place.part
    if head in ("left", "right"):
        if "and" in place.words:
            return ("left_of", "right_of"), ""
        if along:
            return _sides(across, along, to=True)
        return (f"{across}_of",), ""
    if head in ("side", "sides"):
        if "and" in place.words or place.determiner in ("either", "both", "each", "every"):
            return ("next_to",), ""
        if place.determiner == "all":
            return ("around",), ""
        if across:
            on_it = surface and anchor not in (
                "sofa",
                "couch",
                "bed",
                "chair",
                "armchair",
                "door",
                "laptop",
                "sink",
                "book",
            )
            if preposition != "to" and (on_it or (container and anchor in lx.PLACES)):
                return (support,), place.part
            return _sides(across, along, to=True)
        if (
            any(word in ("opposite", "other", "far") for word in place.words)
            or place.determiner == "opposite"
        ):
            return ("opposite",), ""
        if any(
            word in ("front", "back", "rear", "top", "bottom", "near", "long", "short", "inside", "outside")
            for word in place.words
        ):
            return ("at_edge" if preposition in ("at", "along", "near", "to") else "on",), place.part
        return ("next_to",), ""
    if head == "top":
        if preposition in ("at", "near", "along", "toward", "towards", "in", "by", "around") or place.words:
            return (support if surface or container else "on",), place.part
        return ("on",), ""
    if head == "bottom":
        if preposition == "on":
            return ("under",), ""
        if container:
            return ("inside",), place.part
        return ("at_edge",), place.part
    if head == "front":
        if preposition == "in":
            return ("in_front_of",), ""
        if preposition == "to":
            return ("in_front_of",), ""
        if preposition == "on":
            return ("on",), place.part
        inside = container and anchor in lx.PLACES and preposition not in ("along", "near")
        return ("inside" if inside else "at_edge",), place.part
    if head in ("back", "rear"):
        if preposition in ("on", "over"):
            return ("on",), place.part
        if preposition == "to":
            return ("behind",), ""
        return ("inside" if container else "at_edge",), place.part
    return (), ""


def _sides(across: str, along: str, *, to: bool) -> tuple[tuple[str, ...], str]:
    names: list[str] = []
    if along:
        names.append("above" if along == "top" else "below")
    if across:
        names.append(f"{across}_of")
    return tuple(names), ""


OPPOSITE_SIDES = {
    "left_of": ("right_of",),
    "right_of": ("left_of",),
    "above": ("below", "under"),
    "below": ("above",),
    "in_front_of": ("behind",),
    "behind": ("in_front_of",),
}
"""Relations that put a thing on the other side of the same anchor."""
