"""The words in which captions say things: paraphrases of every relation, verbs, openers and filler.

Each table has wordings that training may use and others that are held out. The paraphrases of a relation and
of its inverse stand in the same order, so that a caption and its altered twin differ in the words that matter
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Wordings = Literal["train", "held_out"]


@dataclass(frozen=True)
class Phrase:
    """A way to state a relation; `{0}` and `{1}` stand for the objects.

    Attributes:
        text: The predicate without its verb.
        verbal: Begins with a participle or an adjective: only "is" goes before it.
        front: Whether it can open a sentence.
    """

    text: str
    verbal: bool = False
    front: bool = True


def _plain(*texts: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(text) for text in texts)


def _verbal(*texts: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(text, verbal=True) for text in texts)


def _compared(*texts: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(text, verbal=True, front=False) for text in texts)


PHRASES: dict[str, dict[Wordings, tuple[Phrase, ...]]] = {
    "left_of": {
        "train": _plain("to the left of {0}", "left of {0}", "on the left side of {0}", "on the left of {0}"),
        "held_out": _plain("to the left-hand side of {0}", "at the left of {0}"),
    },
    "right_of": {
        "train": _plain(
            "to the right of {0}", "right of {0}", "on the right side of {0}", "on the right of {0}"
        ),
        "held_out": _plain("to the right-hand side of {0}", "at the right of {0}"),
    },
    "above": {
        "train": _plain("above {0}"),
        "held_out": _plain("over {0}", "higher up than {0}"),
    },
    "below": {
        "train": _plain("below {0}"),
        "held_out": _plain("lower than {0}", "lower down than {0}"),
    },
    "on": {
        "train": _plain("on {0}", "on top of {0}", "on the top of {0}", "right on top of {0}"),
        "held_out": _plain("atop {0}", "upon {0}"),
    },
    "under": {
        "train": _plain("under {0}", "underneath {0}", "beneath {0}", "right underneath {0}"),
        "held_out": _plain("directly under {0}", "directly beneath {0}"),
    },
    "in_front_of": {
        "train": _plain("in front of {0}", "just in front of {0}", "right in front of {0}"),
        "held_out": _plain("directly in front of {0}", "in the space in front of {0}"),
    },
    "behind": {
        "train": _plain("behind {0}", "just behind {0}", "right behind {0}"),
        "held_out": _plain("directly behind {0}", "in the space behind {0}"),
    },
    "next_to": {
        "train": _plain("next to {0}", "beside {0}", "right next to {0}", "right beside {0}"),
        "held_out": _plain("alongside {0}", "adjacent to {0}"),
    },
    "near": {
        "train": _plain("near {0}", "close to {0}", "quite near {0}"),
        "held_out": _plain("not far from {0}", "in the vicinity of {0}"),
    },
    "far_from": {
        "train": _plain("far from {0}", "far away from {0}", "quite far from {0}"),
        "held_out": _plain("a long way from {0}", "at a distance from {0}"),
    },
    "between": {
        "train": _plain("between {0} and {1}", "in between {0} and {1}", "right between {0} and {1}"),
        "held_out": (*_plain("midway between {0} and {1}"), *_verbal("flanked by {0} and {1}")),
    },
    "inside": {
        "train": _plain("inside {0}", "in {0}", "inside of {0}"),
        "held_out": _plain("within {0}", "in the inside of {0}"),
    },
    "stacked_on": {
        "train": _verbal("stacked on {0}", "stacked on top of {0}"),
        "held_out": _verbal("piled on top of {0}", "stacked atop {0}"),
    },
    "leaning_against": {
        "train": _verbal("leaning against {0}", "propped against {0}", "propped up against {0}"),
        "held_out": _verbal("tilted against {0}", "resting against {0}"),
    },
    "hanging_on": {
        "train": _verbal("hanging on {0}", "mounted on {0}", "hung on {0}"),
        "held_out": _verbal("hanging from {0}", "fixed to {0}"),
    },
    "hidden_by": {
        "train": _verbal("partly hidden by {0}", "partially hidden by {0}", "half hidden by {0}"),
        "held_out": _verbal("partially occluded by {0}", "partly obscured by {0}"),
    },
    "larger_than": {
        "train": _compared("larger than {0}", "bigger than {0}", "larger in size than {0}"),
        "held_out": _compared("clearly larger than {0}", "clearly bigger than {0}"),
    },
    "smaller_than": {
        "train": _compared("smaller than {0}", "smaller than {0}", "smaller in size than {0}"),
        "held_out": _compared("clearly smaller than {0}", "less large than {0}"),
    },
    "aligned_with": {
        "train": _plain("in line with {0}") + _verbal("aligned with {0}"),
        "held_out": _verbal("lined up with {0}", "placed level with {0}"),
    },
    "picture_left": {
        "train": _plain(
            "on the left side of the picture", "on the left of the image", "at the left side of the picture"
        ),
        "held_out": _plain("in the left part of the picture", "on the left-hand side of the image"),
    },
    "picture_right": {
        "train": _plain(
            "on the right side of the picture",
            "on the right of the image",
            "at the right side of the picture",
        ),
        "held_out": _plain("in the right part of the picture", "on the right-hand side of the image"),
    },
    "picture_top": {
        "train": _plain(
            "at the top of the picture", "at the top of the image", "near the top of the picture"
        ),
        "held_out": _plain("in the upper part of the picture", "toward the top of the image"),
    },
    "picture_bottom": {
        "train": _plain(
            "at the bottom of the picture", "at the bottom of the image", "near the bottom of the picture"
        ),
        "held_out": _plain("in the lower part of the picture", "toward the bottom of the image"),
    },
    "picture_center": {
        "train": _plain(
            "in the center of the picture", "in the middle of the image", "at the center of the picture"
        ),
        "held_out": _plain("in the central part of the picture", "in the very middle of the image"),
    },
    "foreground": {
        "train": _plain("in the foreground", "in the foreground of the picture"),
        "held_out": _plain("in the immediate foreground", "in the near foreground"),
    },
    "background": {
        "train": _plain("in the background", "in the background of the picture"),
        "held_out": _plain("in the distant background", "in the far background"),
    },
}

VERBS: dict[Wordings, tuple[str, ...]] = {
    "train": ("is", "is", "is", "sits", "stands", "is placed", "is positioned", "rests"),
    "held_out": ("is located", "can be seen", "is found"),
}
"""What goes before a phrase that is not verbal."""

HANGING_VERBS: dict[Wordings, tuple[str, ...]] = {
    "train": ("is", "is placed", "is positioned"),
    "held_out": ("is located", "can be seen"),
}

LISTS: dict[Wordings, tuple[tuple[str, str], ...]] = {
    "train": (
        ("From left to right: ", ""),
        ("From left to right, there are ", ""),
        ("", " are arranged from left to right"),
        ("", " stand from left to right"),
    ),
    "held_out": (("In order from left to right: ", ""), ("", " appear from left to right")),
}
"""What goes before and after an ordered list of things."""

OPENERS: dict[Wordings, tuple[str, ...]] = {
    "train": (
        "A simple rendered scene.",
        "A neat still life with a few everyday things.",
        "A clean, colorful arrangement of toy-like objects.",
        "A quiet indoor scene.",
        "A realistic photo of some household objects.",
        "A small, tidy room.",
        "A bright studio shot.",
    ),
    "held_out": ("A minimal composition of ordinary objects.", "An orderly, calm interior."),
}

FILLER: dict[Wordings, tuple[str, ...]] = {
    "train": (
        "Soft daylight fills the room and the shadows are gentle.",
        "The light is warm and even.",
        "The colors are clear and a little muted.",
        "Every surface has a smooth, matte finish.",
        "The mood is calm and uncluttered.",
        "Gentle shading gives each object a solid, rounded look.",
        "The whole scene is sharp and evenly exposed.",
        "The walls are plain and the palette is simple.",
        "The image has a crisp, photographic quality.",
        "Fine detail and natural textures are visible.",
        "The lighting is soft, with a cozy afternoon feel.",
        "Simple shapes and strong colors keep the composition easy to read.",
    ),
    "held_out": (
        "Diffuse light gives the whole room a relaxed atmosphere.",
        "The rendering is clean, with delicate shadows and subdued tones.",
    ),
}
