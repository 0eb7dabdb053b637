"""The picture that says what training did: the same prompts and seeds before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from spatial_core.atomic_files import atomic_path
from spatial_core.images import to_pil

_PAPER, _INK, _FAINT = (243, 245, 248), (24, 30, 38), (96, 106, 120)
_GAP, _LINE = 12, 18
_LARGEST = 320


def save_grid(
    path: str | Path,
    prompts: Sequence[str],
    columns: Sequence[tuple[str, Tensor]],
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Write a PNG with a row for each prompt.

    Args:
        path: Of the file.
        prompts: P texts.
        columns: Heading and pictures, `[P, S, 3, H, W]` in [0, 1]: S seeds of each prompt.
        title: First line.
        notes: A word under each prompt, such as its scores; empty for none.
    """
    height, width = columns[0][1].shape[-2:]
    scale = min(1.0, _LARGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    block = columns[0][1].shape[1] * (size[0] + 4) - 4
    total = len(columns) * (block + 2 * _GAP) + _GAP
    font, small = ImageFont.load_default(size=16), ImageFont.load_default(size=13)
    lines = [wrap(prompt, max(24, total // 8)) for prompt in prompts]
    noted = _LINE if notes else 0
    heights = [len(text) * _LINE + noted + size[1] + 2 * _GAP for text in lines]
    top = _GAP + (28 if title else 0) + 24
    sheet = Image.new("RGB", (total, top + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((_GAP, _GAP), title, fill=_INK, font=font)
    for k, (heading, _) in enumerate(columns):
        draw.text((_GAP + k * (block + 2 * _GAP), top - 22), heading, fill=_INK, font=font)
    y = top
    for row, text in enumerate(lines):
        for k, line in enumerate(text):
            draw.text((_GAP, y + k * _LINE), line, fill=_INK, font=small)
        if notes:
            draw.text((_GAP, y + len(text) * _LINE), notes[row], fill=_FAINT, font=small)
        for k, (_, pictures) in enumerate(columns):
            for s, picture in enumerate(pictures[row]):
                shown = to_pil(picture.float().cpu()).resize(size, Image.Resampling.LANCZOS)
                at = (_GAP + k * (block + 2 * _GAP) + s * (size[0] + 4), y + len(text) * _LINE + noted + 4)
                sheet.paste(shown, at)
        y += heights[row]
    with atomic_path(path) as temporary:
        sheet.save(temporary)
