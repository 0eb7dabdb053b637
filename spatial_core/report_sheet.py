"""The contact sheet: images in order, how each did, and which of the prompt's relations it satisfies.

Drawn with PIL and its bundled font alone. Verdicts differ by shape as well as by colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from spatial_core.scorers.base import RelationReport

Color = tuple[int, int, int]

PAPER: Color = (243, 245, 248)
CARD: Color = (255, 255, 255)
EDGE: Color = (214, 220, 228)
INK: Color = (24, 30, 38)
FAINT: Color = (96, 106, 120)
GROOVE: Color = (229, 233, 239)
BLUE: Color = (30, 98, 208)
AMBER: Color = (158, 98, 0)
VERDICT_COLORS: dict[str, Color] = {"true": (26, 127, 55), "false": (200, 34, 46), "ambiguous": AMBER}
BOX_COLORS: tuple[Color, ...] = (
    (255, 159, 10),
    (10, 148, 255),
    (232, 62, 200),
    (52, 199, 89),
    (255, 221, 51),
    (0, 199, 190),
    (175, 82, 222),
    (255, 99, 71),
)

GAP = 16
PADDING = 14
PICTURE = 272
CARD_WIDTH = PICTURE + 2 * PADDING
ICON = 14
SWATCH = 9
MAX_RELATIONS = 12
MAX_PROMPT_LINES = 5
LINE_LIMIT = 500
"""Characters that a line is never longer than; measuring a text of any length would take quadratic time."""

# Font sizes in pixels; nothing smaller than 13, which still reads well at 100 % zoom.
TITLE, RANK, LEAD, BODY, SMALL = 22, 30, 17, 14, 13

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class SheetEntry:
    """One card of the sheet.

    Attributes:
        image: The picture, any size and mode; a thumbnail of `PICTURE` pixels is as good as the original.
        title: Shown under it, such as a file name or a seed.
        mean: The scorer's number; NaN where nothing was judged.
        std: Its uncertainty.
        p_best: Probability in [0, 1] of being the best of all that were compared; NaN to leave it out.
        relations: The reports, in the order of the prompt; boxes are drawn where they are known.
        size: Width and height in pixels that the boxes refer to; None for those of `image`.
        tied_ranks: First and last rank, from 1, of the group that is too close to call; None if it is clear.
    """

    image: Image.Image
    title: str
    mean: float = math.nan
    std: float = math.nan
    p_best: float = math.nan
    relations: Sequence[RelationReport] = field(default=())
    size: tuple[int, int] | None = None
    tied_ranks: tuple[int, int] | None = None


def draw_sheet(
    entries: Sequence[SheetEntry], prompt: str, *, columns: int | None = None, subtitle: str = ""
) -> Image.Image:
    """Return the contact sheet of B ranked images as an RGB picture.

    Args:
        entries: Best first; the first card is marked as the winner.
        prompt: Shown at the top, shortened if it is very long.
        columns: Cards in a row; None chooses up to four.
        subtitle: A line under the prompt, e.g. which model judged how many images.

    Raises:
        ValueError: If there are no entries.
    """
    if not entries:
        raise ValueError("draw_sheet() needs at least one image; got none.")
    columns = columns or min(len(entries), 4)
    rows = [entries[start : start + columns] for start in range(0, len(entries), columns)]
    heights = [max(_card_height(entry) for entry in row) for row in rows]
    width = max(columns * (CARD_WIDTH + GAP) + GAP, 2 * (CARD_WIDTH + GAP) + GAP)
    prompt_lines = _wrap(prompt, LEAD, width - 2 * GAP, MAX_PROMPT_LINES)
    top = GAP + len(prompt_lines) * _line(LEAD) + (_line(BODY) if subtitle else 0) + GAP
    sheet = Image.new("RGB", (width, top + sum(heights) + GAP * len(rows)), PAPER)
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for line in prompt_lines:
        _text(draw, (GAP, y), line, LEAD, INK)
        y += _line(LEAD)
    if subtitle:
        _text(draw, (GAP, y), _shorten(subtitle, BODY, width - 2 * GAP), BODY, FAINT)
    y = top
    for number, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, entry in enumerate(row):
            x = GAP + column * (CARD_WIDTH + GAP)
            _draw_card(sheet, draw, entry, number * columns + column + 1, (x, y, x + CARD_WIDTH, y + height))
        y += height + GAP
    return sheet


def draw_verdicts(entries: Sequence[SheetEntry]) -> list[Image.Image]:
    """Return B pictures in full size with their boxes, and below each its relations with their verdicts.

    Pictures of one size and prompt come back in one size again. Titles, scores and ranks are not drawn.

    Args:
        entries: The pictures with their reports; boxes refer to the picture's own pixels.
    """
    strips = [[_verdict_line(report) for report in entry.relations] for entry in entries]
    drawn: list[Image.Image] = []
    for entry, lines in zip(entries, strips, strict=True):
        image = _flatten(entry.image)
        size = max(BODY, round(image.width / 36))
        line, margin = _line(size), round(size / 2)
        canvas = Image.new("RGB", (image.width, image.height + len(lines) * line + 2 * margin), CARD)
        draw = ImageDraw.Draw(image)
        thick = max(2, round(image.width / 256))
        for box, color in _box_colors(entry.relations).items():
            draw.rectangle(_inside(box, image.size, 1.0), outline=(0, 0, 0), width=thick + 2)
            draw.rectangle(_inside(box, image.size, 1.0), outline=color, width=thick)
        canvas.paste(image)
        draw = ImageDraw.Draw(canvas)
        for number, (report, text) in enumerate(zip(entry.relations, lines, strict=True)):
            y = image.height + margin + number * line
            icon = _icon(report.verdict, size)
            canvas.paste(VERDICT_COLORS[report.verdict], (margin, y + round(size / 6)), icon)
            words = _shorten(text, size, image.width - size - 3 * margin)
            _text(draw, (size + 2 * margin, y), words, size, INK)
        drawn.append(canvas)
    return drawn


def _verdict_line(report: RelationReport) -> str:
    return f"{report.text} ({report.reason})" if report.reason else report.text


def _inside(box: Box, size: tuple[int, int], scale: float) -> tuple[int, int, int, int]:
    """Return a box in whole pixels, its corners in order, within a picture of `size`."""
    x0, y0, x1, y1 = (round(value * scale) for value in box)
    x0, x1 = max(0, min(x0, x1)), min(size[0] - 1, max(x0, x1))
    y0, y1 = max(0, min(y0, y1)), min(size[1] - 1, max(y0, y1))
    return x0, y0, max(x0, x1), max(y0, y1)


def _card_height(entry: SheetEntry) -> int:
    height = PADDING + PICTURE + 10 + 38 + 12 + _line(SMALL) + PADDING
    if entry.tied_ranks:
        height += _line(SMALL)
    shown, hidden = _relation_lines(entry)
    if shown:
        height += 10 + sum(map(_row_height, entry.relations, shown))
    return height + (_line(SMALL) if hidden else 0)


def _draw_card(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    entry: SheetEntry,
    rank: int,
    area: tuple[int, int, int, int],
) -> None:
    left, top, right, _ = area
    draw.rounded_rectangle(area, 8, CARD, BLUE if rank == 1 else EDGE, 3 if rank == 1 else 1)
    x, y, edge = left + PADDING, top + PADDING, right - PADDING
    colors = _box_colors(entry.relations)
    sheet.paste(_picture(entry, colors), (x, y))
    y += PICTURE + 10

    # Rank, share of relations, P(best).
    badge = f"#{rank}"
    _text(draw, (x, y), badge, RANK, BLUE if rank == 1 else INK)
    share_x = x + math.ceil(_width(badge, RANK)) + 12
    _text(draw, (share_x, y + 8), _share(entry.relations), LEAD, INK)
    if not math.isnan(entry.p_best):
        chance = "<1 %" if entry.p_best < 0.005 else f"{100 * entry.p_best:.0f} %"
        chance_x = edge - _width(chance, LEAD)
        _text(draw, (chance_x, y + 8), chance, LEAD, INK)
        _text(draw, (chance_x - _width("P(best)", SMALL) - 5, y + 11), "P(best)", SMALL, FAINT)
    y += 38
    draw.rounded_rectangle((x, y, edge, y + 5), 2, GROOVE)
    if not math.isnan(entry.p_best) and round((edge - x) * entry.p_best) >= 2:
        draw.rounded_rectangle((x, y, x + round((edge - x) * entry.p_best), y + 5), 2, BLUE)
    y += 12

    # File name and raw score.
    score = "" if math.isnan(entry.mean) else f"score {entry.mean:+.2f} \u00b1 {entry.std:.2f}"
    score_width = _width(score, SMALL)
    _text(draw, (edge - score_width, y), score, SMALL, FAINT)
    _text(draw, (x, y), _shorten(entry.title, SMALL, edge - x - score_width - 10), SMALL, FAINT)
    y += _line(SMALL)
    if entry.tied_ranks:
        first, last = entry.tied_ranks
        _text(draw, (x, y), f"#{first} to #{last} are too close to call", SMALL, AMBER)
        y += _line(SMALL)

    y += 10
    shown, hidden = _relation_lines(entry)
    for report, lines in zip(entry.relations, shown, strict=False):
        _draw_icon(sheet, report.verdict, (x, y + 3))
        for number, line in enumerate(lines):
            _text(draw, (x + ICON + 8, y + number * _line(BODY)), line, BODY, INK)
        if report.reason:
            reason = _shorten(report.reason, SMALL, PICTURE - ICON - 8)
            _text(draw, (x + ICON + 8, y + len(lines) * _line(BODY)), reason, SMALL, FAINT)
        swatch_x = edge
        for box in reversed(report.boxes or ()):
            swatch_x -= SWATCH
            draw.rectangle((swatch_x, y + 5, swatch_x + SWATCH - 2, y + 5 + SWATCH - 2), colors[box])
        y += _row_height(report, lines)
    if hidden:
        _text(draw, (x, y), hidden, SMALL, FAINT)


def _picture(entry: SheetEntry, colors: dict[Box, Color]) -> Image.Image:
    """Return the image with its boxes, fitted into a square."""
    width, height = entry.size or entry.image.size
    scale = PICTURE / max(width, height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = _flatten(entry.image).resize(size, Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for box, color in colors.items():
        x0, y0, x1, y1 = _inside(box, size, scale)
        if x1 > x0 and y1 > y0:
            # A dark outline around the colour keeps it visible on any background.
            draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=(0, 0, 0))
            draw.rectangle((x0, y0, x1, y1), outline=color, width=2)
    square = Image.new("RGB", (PICTURE, PICTURE), GROOVE)
    square.paste(picture, ((PICTURE - size[0]) // 2, (PICTURE - size[1]) // 2))
    return square


def _flatten(image: Image.Image) -> Image.Image:
    """Return the image as RGB, on white where it is transparent."""
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _box_colors(relations: Sequence[RelationReport]) -> dict[Box, Color]:
    """Return a colour for each distinct box, in the order in which the relations mention them."""
    boxes = dict.fromkeys(box for report in relations[:MAX_RELATIONS] for box in report.boxes or ())
    return {box: BOX_COLORS[i % len(BOX_COLORS)] for i, box in enumerate(boxes)}


def _share(relations: Sequence[RelationReport]) -> str:
    if not relations:
        return "no relation"
    return f"{sum(report.verdict == 'true' for report in relations)} of {len(relations)} true"


def _relation_lines(entry: SheetEntry) -> tuple[list[list[str]], str]:
    """Return the wrapped words of the relations that fit on a card, and a line about those that do not."""
    shown: list[list[str]] = []
    for report in entry.relations[:MAX_RELATIONS]:
        room = PICTURE - ICON - 8 - SWATCH * len(report.boxes or ()) - (6 if report.boxes else 0)
        shown.append(_wrap(report.text, BODY, room, 2))
    rest = entry.relations[MAX_RELATIONS:]
    true = sum(report.verdict == "true" for report in rest)
    return shown, f"and {len(rest)} more, {true} of them true" if rest else ""


def _row_height(report: RelationReport, lines: Sequence[str]) -> int:
    return len(lines) * _line(BODY) + (_line(SMALL) if report.reason else 0) + 3


def _draw_icon(sheet: Image.Image, verdict: str, corner: tuple[int, int]) -> None:
    """Draw a tick, a cross, or a wave for "ambiguous", smoothed by drawing it large."""
    icon = _icon(verdict)
    sheet.paste(VERDICT_COLORS[verdict], (*corner, corner[0] + ICON, corner[1] + ICON), icon)


@cache
def _icon(verdict: str, size: int = ICON) -> Image.Image:
    zoom = 8
    mask = Image.new("L", (size * zoom, size * zoom))
    draw = ImageDraw.Draw(mask)
    strokes: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
        "true": (((0.10, 0.55), (0.38, 0.84), (0.90, 0.18)),),
        "false": (((0.16, 0.16), (0.84, 0.84)), ((0.84, 0.16), (0.16, 0.84))),
        "ambiguous": (
            tuple((0.08 + 0.84 * t / 24, 0.5 - 0.16 * math.sin(2 * math.pi * t / 24)) for t in range(25)),
        ),
    }
    thickness = round(0.17 * size * zoom)
    for stroke in strokes[verdict]:
        points = [(x * size * zoom, y * size * zoom) for x, y in stroke]
        draw.line(points, fill=255, width=thickness, joint="curve")
        for x, y in points:
            radius = thickness / 2
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return mask.resize((size, size), Image.Resampling.LANCZOS)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ValueError(
            "The sheet needs a Pillow built with FreeType; reinstall it: pip install --upgrade pillow"
        )
    return font


def _line(size: int) -> int:
    return round(size * 1.35)


def _text(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, color: Color) -> None:
    x, y = at
    for word in _printable(text).split(" "):
        draw.text((x, y), word, fill=color, font=_font(size))
        x += _width(word + " ", size)


def _width(text: str, size: int) -> float:
    # The bundled font's spaces are narrow; at these sizes words would run together.
    return _font(size).getlength(text) + text.count(" ")


def _printable(text: str) -> str:
    """Replace what has no glyph and no width (control characters, lone surrogates) by spaces."""
    return "".join(char if char.isprintable() else " " for char in text)


def _shorten(text: str, size: int, width: float) -> str:
    """Return `text`, its middle left out if it is too wide: a file's number and suffix stay visible."""
    text = _printable(text)
    if len(text) <= LINE_LIMIT and _width(text, size) <= width:
        return text
    keep = min(len(text), LINE_LIMIT)
    while keep > 2 and _width(_middle_out(text, keep), size) > width:
        keep -= 1
    return _middle_out(text, keep)


def _middle_out(text: str, keep: int) -> str:
    return f"{text[: (keep + 1) // 2]}\u2026{text[len(text) - keep // 2 :]}"


def _wrap(text: str, size: int, width: float, max_lines: int) -> list[str]:
    """Break `text` at spaces, or inside words that are too wide; ends with an ellipsis where it was cut."""
    lines: list[str] = []
    rest = " ".join(_printable(text).split())
    while rest and len(lines) < max_lines:
        fit = _fitting(rest, size, width)
        if fit < len(rest):
            fit = rest.rfind(" ", 0, fit + 1) if " " in rest[: fit + 1] else fit
        lines.append(rest[:fit].rstrip())
        rest = rest[fit:].lstrip()
    if rest:
        last = lines[-1]
        while last and _width(last + "\u2026", size) > width:
            last = last[:-1]
        lines[-1] = last.rstrip() + "\u2026"
    return lines or [""]


def _fitting(text: str, size: int, width: float) -> int:
    """Return how many leading characters fit into `width`, at least one."""
    low, high = 1, min(len(text), LINE_LIMIT)
    while low < high:
        middle = (low + high + 1) // 2
        if _width(text[:middle], size) <= width:
            low = middle
        else:
            high = middle - 1
    return low
