"""`spatial import-pairs`: read a preference dataset back from the form it travelled in."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.export_pairs import FORM_NAMES

HELP = "read pairs back from Parquet, imagefolder, WebDataset or Label Studio into a manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        help="folder that `spatial export-pairs` wrote; for parquet also a dataset on the hub, for "
        "label-studio also the JSON that Label Studio exported, put beside the tasks' images",
    )
    parser.add_argument("output", help="folder for manifest.jsonl and its pictures")
    parser.add_argument("--form", required=True, choices=FORM_NAMES)


def run(args: argparse.Namespace) -> None:
    """Read and write.

    Raises:
        ValueError: If the source is unusable, or the folder holds a manifest already.
    """
    from spatial_trainers.dataset.exchange import write_pairs
    from spatial_trainers.dataset.forms import FORMS

    try:
        manifest, count = write_pairs(FORMS[args.form].read(args.source), args.output)
    except ImportError as error:
        raise ValueError(
            f"The form {args.form} needs a package that is not here ({error}). "
            "pip install 'spatial-diffusion[data]'"
        ) from error
    print(f"{count} pairs in {manifest}.")
