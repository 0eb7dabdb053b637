"""`spatial scenes kinds`: a sheet of every kind of thing that scenes hold, by name."""

from __future__ import annotations

import argparse
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

HELP = "draw a sheet of every kind of thing, by name, each in a few poses, colours and lights"

POSES, COLUMNS, PICTURE = 4, 3, 96
LABEL, GAP = 22, 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", required=True, metavar="PNG", help="file to write")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="of poses, colours and rooms (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Draw and write."""
    from spatial_core.atomic_files import atomic_path
    from spatial_core.commands.rank import check_output

    check_output(args.out, suffixes=(".png",))
    sheet = draw_kinds(args.seed)
    with atomic_path(args.out) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    print(f"Every kind of thing in {POSES} pictures each: {args.out}")


def draw_kinds(seed: int) -> Image.Image:
    """Return the sheet."""
    from PIL import Image, ImageDraw, ImageFont

    from spatial_core.images import to_pil
    from spatial_core.scenes.objects import OBJECT_KINDS
    from spatial_core.scenes.portraits import close_ups, portrait

    rng = Random(seed)
    kinds = tuple(OBJECT_KINDS)
    pictures = close_ups(
        [portrait(kind, rng) for kind in kinds for _ in range(POSES)],
        size=PICTURE,
        rendered=256,
    )
    width, height = POSES * PICTURE + GAP, LABEL + PICTURE + GAP
    rows = -(-len(kinds) // COLUMNS)
    sheet = Image.new("RGB", (GAP + COLUMNS * width, GAP + rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, kind in enumerate(kinds):
        x, y = GAP + number % COLUMNS * width, GAP + number // COLUMNS * height
        draw.text((x, y), kind, fill="black", font=ImageFont.load_default(15))
        for pose in range(POSES):
            sheet.paste(to_pil(pictures[number * POSES + pose]), (x + pose * PICTURE, y + LABEL))
    return sheet
