"""Which words are marked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_trainers.review.changed_words import Segment, mark_changes


def marked(segments: tuple[Segment, ...]) -> list[str]:
    return [segment.text for segment in segments if segment.changed]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("A cup left of a plate.", "A cup right of a plate.", (["left"], ["right"])),
        ("A cup is on a plate.", "A cup is to the left of a plate.", (["on"], ["to the left of"])),
        ("A cat on a mat.", "A mat on a cat.", (["cat", "mat"], ["mat", "cat"])),
        (
            "Stacked on the book there is a cube.",
            "Left of the book, there is a cube.",
            (["Stacked on"], ["Left of"]),
        ),
        ("Left of it, a mug.", "On the table, a mug.", (["Left of it"], ["On the table"])),
        ("The mug is near.", "A mug is near.", (["The"], ["A"])),
        ("the mug is near", "The mug is near", ([], [])),
        ("a blue-green cup", "a blue cup", (["blue-green"], ["blue"])),
        ("", "a cup", ([], ["a cup"])),
    ],
)
def test_marks(first: str, second: str, words: tuple[list[str], list[str]]) -> None:
    sides = mark_changes(first, second)
    assert (marked(sides[0]), marked(sides[1])) == words


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_the_segments_are_the_prompt(first: str, second: str) -> None:
    sides = mark_changes(first, second)
    assert "".join(segment.text for segment in sides[0]) == first
    assert "".join(segment.text for segment in sides[1]) == second
    for side in sides:
        assert all(a.changed != b.changed for a, b in zip(side, side[1:], strict=False))
