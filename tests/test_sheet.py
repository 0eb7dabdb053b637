"""The contact sheet, judged by its pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from spatial_core.report_sheet import (
    BLUE,
    BOX_COLORS,
    CARD,
    CARD_WIDTH,
    GAP,
    PADDING,
    PICTURE,
    VERDICT_COLORS,
    SheetEntry,
    draw_sheet,
    draw_verdicts,
)
from spatial_core.scorers.base import RelationReport, Verdict

PROMPT = "A red ball to the left of a blue cube."


def report(
    verdict: Verdict, text: str = PROMPT, boxes: tuple[tuple[float, float, float, float], ...] | None = None
):
    return RelationReport("left_of", text, (0, len(text)), verdict, 0.5, 0.0, boxes)


def entry(*verdicts: Verdict, color: str = "white", **fields) -> SheetEntry:
    image = fields.pop("image", Image.new("RGB", (64, 64), color))
    return SheetEntry(image, fields.pop("title", "a.png"), relations=[report(v) for v in verdicts], **fields)


def count(sheet: Image.Image, color: tuple[int, int, int], *, near: int = 0) -> int:
    distance = np.abs(np.asarray(sheet, dtype=int) - np.array(color)).max(-1)
    return int((distance <= near).sum())


def card(sheet: Image.Image, column: int) -> Image.Image:
    left = GAP + column * (CARD_WIDTH + GAP)
    return sheet.crop((left, 0, left + CARD_WIDTH, sheet.height))


def test_each_verdict_shows_its_own_mark() -> None:
    sheet = draw_sheet([entry("true"), entry("false"), entry("ambiguous")], PROMPT)
    for column, verdict in enumerate(("true", "false", "ambiguous")):
        for other, color in VERDICT_COLORS.items():
            pixels = count(card(sheet, column), color)
            assert (pixels > 10) == (other == verdict), (verdict, other, pixels)


def test_marks_differ_without_colour() -> None:
    """A reader who sees no colours tells them apart: less than half of the inked area coincides."""
    sheet = draw_sheet([entry("true"), entry("false"), entry("ambiguous")], PROMPT)
    masks = []
    for column, verdict in enumerate(("true", "false", "ambiguous")):
        pixels = np.asarray(card(sheet, column), dtype=int)
        mask = np.abs(pixels - np.array(VERDICT_COLORS[verdict])).max(-1) <= 60
        masks.append(mask)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert (masks[a] & masks[b]).sum() < 0.5 * (masks[a] | masks[b]).sum()


def test_pictures_stand_in_rank_order_and_the_first_is_marked() -> None:
    colors = [(250, 10, 10), (10, 250, 10), (10, 10, 250), (250, 250, 10), (10, 250, 250)]
    entries = [entry("true", image=Image.new("RGB", (32, 32), color)) for color in colors]
    sheet = draw_sheet(entries, PROMPT, columns=3)
    assert sheet.width == 3 * (CARD_WIDTH + GAP) + GAP
    found = []
    for color in colors:
        rows, columns = np.nonzero((np.asarray(sheet) == color).all(-1))
        assert len(rows) == PICTURE * PICTURE
        found.append((rows.min(), columns.min()))
    assert found == sorted(found)
    assert count(card(sheet, 0), BLUE) > 2 * count(card(sheet, 1), BLUE)


def test_p_best_fills_its_bar() -> None:
    sheet = draw_sheet(
        [entry("true", p_best=0.0), entry("true", p_best=0.75), entry("true", p_best=0.25)], PROMPT
    )
    wide, narrow = count(card(sheet, 1), BLUE), count(card(sheet, 2), BLUE)
    assert wide == pytest.approx(3 * narrow, rel=0.1)
    assert narrow == pytest.approx(6 * PICTURE * 0.25, rel=0.15)


def test_boxes_are_drawn_where_they_are() -> None:
    """A box of a 64-pixel image that was handed in as a 32-pixel thumbnail."""
    box = (16.0, 16.0, 48.0, 32.0)
    shown = SheetEntry(
        Image.new("RGB", (32, 32), "white"), "a", relations=[report("true", boxes=(box,))], size=(64, 64)
    )
    sheet = draw_sheet([shown], PROMPT)
    picture_top = int(np.nonzero((np.asarray(card(sheet, 0))[:, PADDING + 5] == 255).all(-1))[0].min())
    # The first row inside the card is the card's own white; the picture begins PADDING below it.
    picture = card(sheet, 0).crop(
        (PADDING, picture_top + PADDING - 1, PADDING + PICTURE, picture_top + PADDING - 1 + PICTURE)
    )
    rows, columns = np.nonzero((np.asarray(picture) == BOX_COLORS[0]).all(-1))
    scale = PICTURE / 64
    assert (columns.min(), columns.max()) == pytest.approx((16 * scale, 48 * scale), abs=3)
    assert (rows.min(), rows.max()) == pytest.approx((16 * scale, 32 * scale), abs=3)


def test_a_transparent_picture_lies_on_white_and_a_wide_one_is_not_stretched() -> None:
    image = Image.new("RGBA", (200, 50), (0, 0, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 100, 50))
    sheet = draw_sheet([entry("true", image=image)], PROMPT)
    assert count(sheet, (255, 0, 0)) == pytest.approx(PICTURE / 2 * PICTURE / 4, rel=0.05)
    assert count(sheet, (0, 0, 0), near=4) == 0


def test_more_relations_than_fit_are_counted() -> None:
    few, many = draw_sheet([entry(*["true"] * 12)], PROMPT), draw_sheet([entry(*["true"] * 40)], PROMPT)
    assert 0 < many.height - few.height < 40


@pytest.mark.parametrize(
    "prompt",
    ["", "x" * 5000, "word " * 10_000, "tab\tline\nnull\x00 bell\x07 \ud800", "<|im_end|>", "\u4e2d\u6587"],
    ids=["empty", "one long word", "10,000 words", "control characters", "special token", "Chinese"],
)
def test_any_text_can_be_shown(prompt: str) -> None:
    shown = SheetEntry(
        Image.new("RGB", (8, 8)), prompt, 0.1, 0.2, 0.3, [report("true", prompt)], tied_ranks=(1, 2)
    )
    sheet = draw_sheet([shown, shown], prompt, subtitle=prompt)
    assert sheet.height < 1000
    # Nothing is written across the edge of a card.
    edge = GAP + CARD_WIDTH
    assert count(sheet.crop((edge + 1, sheet.height - 200, edge + GAP - 1, sheet.height)), CARD) == 0


def test_a_reason_is_shown() -> None:
    plain = report("false")
    heights = [
        draw_sheet([SheetEntry(Image.new("RGB", (8, 8)), "a", relations=[shown])], PROMPT).height
        for shown in (plain, replace(plain, reason="no red ball was found"))
    ]
    assert 10 < heights[1] - heights[0] < 30


def test_unknown_numbers_are_left_out() -> None:
    sheet = draw_sheet([entry(mean=math.nan, std=math.nan, p_best=math.nan)], PROMPT)
    assert sheet.mode == "RGB"


def test_no_images_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        draw_sheet([], PROMPT)


def test_verdicts_lie_below_the_full_picture() -> None:
    boxes = ((20.0, 30.0, 80.0, 90.0), (150.0, 40.0, 500.0, 90.0))
    first = SheetEntry(Image.new("RGB", (256, 128), "white"), "", relations=[report("true", boxes=boxes)])
    second = SheetEntry(Image.new("RGB", (256, 128), "white"), "", relations=[report("false")])
    drawn = draw_verdicts([first, second])
    assert drawn[0].size == drawn[1].size and drawn[0].width == 256 and drawn[0].height > 128
    picture, strip = drawn[0].crop((0, 0, 256, 128)), drawn[0].crop((0, 128, 256, drawn[0].height))
    assert picture.getpixel((21, 60)) == BOX_COLORS[0] and picture.getpixel((254, 60)) == BOX_COLORS[1]
    assert picture.getpixel((50, 60)) == (255, 255, 255)
    assert count(strip, VERDICT_COLORS["true"]) > 10 and count(strip, VERDICT_COLORS["false"]) == 0
    assert count(drawn[1], VERDICT_COLORS["false"]) > 10
    assert np.array_equal(np.asarray(drawn[1].crop((0, 0, 256, 128))), np.asarray(second.image))
