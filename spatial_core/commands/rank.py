"""`spatial rank`: a folder of images in the order in which they match a prompt."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from spatial_core.commands.scoring import (
    ImageResult,
    add_scorer_arguments,
    find_images,
    judge,
    load_scorer,
    positive_int,
)
from spatial_core.commands.table import format_table, percent, signed

HELP = "rank a folder of images by how well they match a prompt, with a contact sheet that shows why"

SHEET_LIMIT = 48
"""Cards on one sheet; a picture of hundreds could neither be opened nor read."""

Tie = tuple[int, int]
"""First and last rank, from 1, of images that are too close to call."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "folder", metavar="DIR", help="folder with the images (its subfolders are not searched)"
    )
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the images should show")
    parser.add_argument("--top", type=positive_int, metavar="K", help="report only the K best (default: all)")
    parser.add_argument(
        "--sheet", metavar="PNG", help="write a contact sheet: every relation ticked or crossed"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the ranking as JSON; - prints it instead of the table"
    )
    add_scorer_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Rank, print, and write what was asked for."""
    from spatial_core.atomic_files import write_text
    from spatial_core.selection import rank

    # What cannot be written is said before the images are judged, not after.
    if args.sheet:
        check_output(args.sheet, suffixes=(".png", ".jpg", ".webp"))
    if args.json and args.json != "-":
        check_output(args.json)
    images = find_images(args.folder)
    results = judge(load_scorer(args), images, [args.prompt], batch_size=args.batch_size)
    ranking = rank([result.mean for result in results], [result.std for result in results])
    order: list[int] = ranking.order.tolist()
    rank_of = {image: number for number, image in enumerate(order, start=1)}
    tie_of = {i: (rank_of[group[0]], rank_of[group[-1]]) for group in ranking.ties for i in group}
    chosen = order[: args.top]
    ranked = [results[i] for i in chosen]
    ties = [tie_of.get(i) for i in chosen]

    if args.json != "-":
        _print_ranking(ranked, ties)
    if args.sheet:
        shown = min(len(ranked), SHEET_LIMIT)
        judged = f"{len(images)} images judged by {args.model}"
        if shown < len(images):
            judged += f", the best {shown} shown"
        write_sheet(args.sheet, ranked, ties, args.prompt, subtitle=judged)
    if args.json:
        text = json.dumps(_to_dict(ranked, ties, args, num_images=len(images)), indent=2)
        if args.json == "-":
            print(text)
        else:
            write_text(args.json, text + "\n")


def check_output(path: str, *, suffixes: Sequence[str] = ()) -> None:
    """Check that a file could be written to `path`.

    Raises:
        ValueError: If its folder does not exist, it is itself a folder, or it ends in none of `suffixes`.
    """
    file = Path(path)
    if not file.parent.is_dir():
        raise ValueError(f"cannot write {path!r}: there is no folder {str(file.parent)!r}. Make it first.")
    if file.is_dir():
        raise ValueError(f"cannot write {path!r}: it is a folder. Name a file.")
    if suffixes and file.suffix.lower() not in suffixes:
        raise ValueError(f"cannot write {path!r}: its name must end in {', '.join(suffixes)}.")


def write_sheet(
    path: str, ranked: Sequence[ImageResult], ties: Sequence[Tie | None], prompt: str, *, subtitle: str
) -> None:
    """Write the contact sheet of `ranked` to `path`.

    Raises:
        ValueError: If an image can no longer be read.
        OSError: If the file cannot be written.
    """
    from spatial_core.atomic_files import atomic_path
    from spatial_core.images import to_pil, to_tensors
    from spatial_core.report_sheet import PICTURE, SheetEntry, draw_sheet

    entries: list[SheetEntry] = []
    for result, tie in zip(ranked[:SHEET_LIMIT], ties[:SHEET_LIMIT], strict=True):
        # Read as the scorer read it: turned as EXIF says, on white where transparent. Boxes refer to that.
        image = to_pil(to_tensors(result.image)[0])
        size = image.size
        image.thumbnail((PICTURE, PICTURE))
        entries.append(
            SheetEntry(
                image=image,
                title=result.name,
                mean=result.mean,
                std=result.std,
                p_best=result.p_best,
                relations=result.relations,
                size=size,
                tied_ranks=tie,
            )
        )
    sheet = draw_sheet(entries, prompt, subtitle=subtitle)
    with atomic_path(path) as temporary:
        sheet.save(temporary)


def _print_ranking(ranked: Sequence[ImageResult], ties: Sequence[Tie | None]) -> None:
    rows = [
        (
            str(number),
            result.image,
            result.share(),
            percent(result.p_best),
            f"{signed(result.mean)} +/- {result.std:.2f}",
            f"ranks {tie[0]} to {tie[1]} are too close to call" if tie else "",
        )
        for number, (result, tie) in enumerate(zip(ranked, ties, strict=True), start=1)
    ]
    print(format_table(("rank", "image", "satisfied", "P(best)", "score", ""), rows))
    for note in dict.fromkeys(result.note for result in ranked if result.note):
        print(f"note: {note}")


def _to_dict(
    ranked: Sequence[ImageResult], ties: Sequence[Tie | None], args: argparse.Namespace, *, num_images: int
) -> dict[str, object]:
    images = [
        {
            "rank": number,
            **result.to_dict(),
            "too_close_to_call": list(range(tie[0], tie[1] + 1)) if tie else [],
        }
        for number, (result, tie) in enumerate(zip(ranked, ties, strict=True), start=1)
    ]
    return {"prompt": args.prompt, "model": args.model, "num_images": num_images, "images": images}
