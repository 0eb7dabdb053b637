"""What the verbs that score share: their arguments, the loading, and the form of one image's result."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from spatial_core.scorers.base import RelationReport, SpatialScorer

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})


@dataclass(frozen=True)
class ImageResult:
    """One image, judged.

    Attributes:
        image: The path as the caller gave it.
        prompt: What it was judged against.
        mean: The scorer's own number, unbounded; NaN where nothing could be judged.
        std: Its uncertainty, in the same unit.
        satisfied: Share in [0, 1] of the prompt's relations judged true; NaN for a prompt that states none.
        p_best: Probability in [0, 1] of being the best of its group; NaN without a group.
        relations: One report a relation, in the order of the prompt.
        note: A sentence where something must be said to the reader, else empty.
    """

    image: str
    prompt: str
    mean: float
    std: float
    satisfied: float
    p_best: float
    relations: tuple[RelationReport, ...]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the stable JSON form; numbers that are not finite become None, since JSON has no NaN."""
        return {
            "image": self.image,
            "prompt": self.prompt,
            "mean": _number(self.mean),
            "std": _number(self.std),
            "satisfied": _number(self.satisfied),
            "p_best": _number(self.p_best),
            "relations": [
                {
                    "text": report.text,
                    "relation": report.relation,
                    "score": _number(report.score),
                    "verdict": report.verdict,
                }
                for report in self.relations
            ],
        }

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.image).name

    def share(self) -> str:
        """Return "5 of 6 relations", or "no relation" for a prompt that states none."""
        if not self.relations:
            return "no relation"
        true = sum(report.verdict == "true" for report in self.relations)
        return f"{true} of {len(self.relations)} relation{'s' if len(self.relations) > 1 else ''}"


def add_scorer_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which scorer judges, and where."""
    parser.add_argument(
        "--model",
        default="starter",
        metavar="NAME",
        help="'starter' (bundled: knows table-top scenes only), a folder or judge file, or a Hugging Face id",
    )
    parser.add_argument(
        "--scorer",
        default="auto",
        choices=("auto", "reward", "vqa", "geometric"),
        help="how to judge: a trained SpatialScore, yes/no questions to a vision-language model, or detected "
        "boxes; auto looks at the model's files (default: %(default)s)",
    )
    parser.add_argument(
        "--device", metavar="DEVICE", help="cpu, cuda, cuda:1, mps (default: the best there is)"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="type of the weights (default: what suits the device)",
    )
    parser.add_argument(
        "--depth",
        metavar="NAME",
        help="Depth Anything folder or id to go with a geometric --model, for in front of and behind",
    )
    parser.add_argument(
        "--batch-size",
        type=positive_int,
        default=8,
        metavar="N",
        help="images judged at a time; lower it if memory runs out (default: %(default)s)",
    )


def positive_int(text: str) -> int:
    """Return `text` as an integer of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; got {number}")
    return number


def load_scorer(args: argparse.Namespace) -> SpatialScorer:
    """Load the scorer that `args` asks for, in evaluation mode.

    Raises:
        ValueError, OSError: If it cannot be had; the message says what to do.
    """
    import torch
    from transformers.utils import logging

    from spatial_core.scorers.base import SpatialScorer

    # A bar for every file that is read would stand between the user and the answer.
    logging.disable_progress_bar()
    scorer = SpatialScorer.from_pretrained(
        args.model,
        scorer=args.scorer,
        device=choose_device(args.device),
        dtype=getattr(torch, args.dtype) if args.dtype else None,
        **({"depth": args.depth} if args.depth else {}),
    )
    return scorer.eval()


def judge(
    scorer: SpatialScorer, images: Sequence[str], prompts: Sequence[str], *, batch_size: int
) -> list[ImageResult]:
    """Judge B image files against one prompt or B prompts.

    With one prompt the images are one group and `p_best` says which is likely its best; with B prompts
    nothing is compared and it is NaN.

    Raises:
        ValueError: If the number of prompts is neither one nor B, or an image cannot be read.
    """
    from spatial_core.selection import rank

    each = list(prompts) * len(images) if len(prompts) == 1 else list(prompts)
    if len(each) != len(images):
        raise ValueError(
            f"one --prompt is needed, or one for each image ({len(images)}); got {len(prompts)}. "
            "Repeat --prompt in the order of the images, or give it once."
        )
    results: list[ImageResult] = []
    for start in range(0, len(images), batch_size):
        part = slice(start, start + batch_size)
        results.extend(_judge_batch(scorer, images[part], each[part]))
    if len(prompts) == 1 and results:
        ranking = rank([result.mean for result in results], [result.std for result in results])
        results = [
            replace(result, p_best=float(p)) for result, p in zip(results, ranking.p_best, strict=True)
        ]
    return results


def find_images(folder: str) -> list[str]:
    """Return the image files directly in `folder`, sorted by name.

    Raises:
        ValueError: If it is no folder, or holds no image.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ValueError(
            f"{folder!r} is {'a file, not a folder' if path.exists() else 'no folder'}. Name a folder."
        )
    found = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ValueError(f"{folder!r} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return found


def _judge_batch(
    scorer: SpatialScorer, images: Sequence[str], prompts: Sequence[str]
) -> Iterator[ImageResult]:
    scores = scorer.score(list(images), list(prompts), explain=True)
    relations = scores.relations or [[] for _ in images]
    for i, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        yield ImageResult(
            image=image,
            prompt=prompt,
            mean=scores.mean[i].item(),
            std=scores.std[i].item(),
            satisfied=scores.satisfied[i].item(),
            p_best=math.nan,
            relations=tuple(relations[i]),
            note=scores.notes[i] if scores.notes else "",
        )


def choose_device(name: str | None) -> torch.device:
    """Return the device called `name`, or the best there is.

    Raises:
        ValueError: If this machine has no such device.
    """
    import torch

    here = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        here.append("mps")
    here.append("cpu")
    if name is None:
        return torch.device(here[0])
    if name not in here and not (name == "cuda" and "cuda:0" in here):
        raise ValueError(f"this machine has the devices {', '.join(here)}; got --device {name!r}.")
    return torch.device(name)


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
