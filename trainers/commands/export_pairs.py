"""`spatial export-pairs`: write a preference dataset in a form that other tools read."""

from __future__ import annotations

import argparse

HELP = "write a manifest's pairs as Parquet for Hugging Face, imagefolder, WebDataset or Label Studio tasks"
FORM_NAMES = ("parquet", "imagefolder", "webdataset", "label-studio")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("manifest", help="JSONL manifest of pair records")
    parser.add_argument("output", help="folder to write to; made if it does not exist")
    parser.add_argument("--form", required=True, choices=FORM_NAMES)
    parser.add_argument(
        "--push",
        metavar="OWNER/NAME",
        help="upload the Parquet files and the card to this dataset on the hub; `hf auth login` comes first",
    )
    parser.add_argument("--private", action="store_true", help="make a new dataset on the hub private")


def run(args: argparse.Namespace) -> None:
    """Write, then upload if asked.

    Raises:
        ValueError: If the manifest is unusable, or --push goes with another form than parquet.
    """
    if args.push and args.form != "parquet":
        raise ValueError(f"--push uploads Parquet files; add --form parquet (got {args.form}).")
    from spatial_trainers.dataset.forms import FORMS

    try:
        count = FORMS[args.form].export(args.manifest, args.output)
    except ImportError as error:
        raise ValueError(
            f"The form {args.form} needs a package that is not here ({error}). "
            "pip install 'spatial-diffusion[data]'"
        ) from error
    print(f"{count} pairs in {args.output}.")
    if args.push:
        from spatial_trainers.dataset.parquet import push_to_hub

        print(push_to_hub(args.output, args.push, private=args.private))
