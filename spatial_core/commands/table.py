"""Plain-text tables and numbers for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return `head` and `rows` as aligned columns, two spaces apart."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def percent(share: float) -> str:
    """Return a share in [0, 1] as "41 %", "<1 %" where that would round to nothing, "-" for NaN."""
    if math.isnan(share):
        return "-"
    return "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def signed(number: float) -> str:
    """Return a number with its sign and two decimals; "-" for NaN."""
    return "-" if math.isnan(number) else f"{number:+.2f}"
