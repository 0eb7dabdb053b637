"""What changed between two runs of the generation benchmark: the same prompts, seeds and judge.

Everything is paired, prompt by prompt, and intervals are bootstrapped over prompts. Beside the accuracy
stands what a policy may have paid for it: things left out, pictures that are all alike, a look that gives
itself away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from spatial_core.images import to_tensors
from spatial_core.statistics import bootstrap_interval
from spatial_trainers.bench.generation_run import RUN_FILE, VERDICTS, Run
from spatial_trainers.bench.journal import read_journal
from spatial_trainers.bench.perceptual_distance import PerceptualDistance, spread
from spatial_trainers.bench.real_probe import real_probe

_SAME = ("judge", "seed", "prompts_sha256")
_FOR_THE_PROBE = 8
"""Pictures of a prompt that the probe sees, at most."""
Line = Mapping[str, Any]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judged:
    """A run of which every picture of P prompts was judged.

    Attributes:
        run: Its folder; `images` are those of a prompt.
        lines: By the number of the prompt, the verdicts on its pictures in their order.
        facts: What the run was made with.
    """

    run: Run
    lines: dict[int, list[Line]]
    facts: Mapping[str, Any]


def read_judged(folder: str | Path) -> Judged:
    """Return a run of `spatial bench-generation`; prompts that miss a verdict are left out.

    Raises:
        ValueError: If the folder is no such run or holds no verdicts.
    """
    folder = Path(folder)
    if not (folder / RUN_FILE).is_file():
        raise ValueError(
            f"{folder} must be the --out of a 'spatial bench-generation' run; it has no {RUN_FILE}."
        )
    by_prompt: dict[int, dict[int, Line]] = {}
    for line in read_journal(folder / VERDICTS):
        by_prompt.setdefault(line["prompt"], {})[line["image"]] = line
    count = max((len(lines) for lines in by_prompt.values()), default=0)
    if not count:
        raise ValueError(f"{folder} holds no verdicts. Let the run end, with a --judge.")
    whole = {j: [lines[k] for k in sorted(lines)] for j, lines in by_prompt.items() if len(lines) == count}
    return Judged(Run(folder, (), count), whole, json.loads((folder / RUN_FILE).read_text("utf-8")))


def paired(before: Judged, after: Judged) -> list[int]:
    """Return the prompts that both runs have.

    Raises:
        ValueError: If the runs have other prompts, seeds or judges (it names what differs), or share no
            prompt of which every picture was judged.
    """
    differs = [key for key in _SAME if before.facts.get(key) != after.facts.get(key)]
    if differs:
        raise ValueError(
            f"Runs that are compared must agree about {', '.join(_SAME)}; {before.run.folder} and "
            f"{after.run.folder} differ in {', '.join(differs)}. Run 'spatial bench-generation' alike for "
            "both."
        )
    both = sorted(set(before.lines) & set(after.lines))
    if not both:
        raise ValueError(
            f"{before.run.folder} and {after.run.folder} share no prompt of which every picture was judged. "
            "Let both runs end."
        )
    return both


def change(before: FloatArray, after: FloatArray) -> dict[str, Any]:
    """Return both means over P prompts, and the mean of the differences with its interval."""
    difference = after - before
    return {
        "before": float(before.mean()),
        "after": float(after.mean()),
        "change": float(difference.mean()),
        "interval": bootstrap_interval(difference),
        "prompts": len(difference),
    }


def compare_verdicts(before: Judged, after: Judged, prompts: Sequence[int]) -> dict[str, Any]:
    """Return the `change` of accuracy, chance and presence, by number of relations and by relation.

    Presence is the share of pictures in which the judge found everything that the relations speak of.
    """

    def means(side: Judged, value: Callable[[Line], float], chosen: Sequence[int]) -> FloatArray:
        return np.array([np.mean([value(line) for line in side.lines[j]]) for j in chosen])

    def row(value: Callable[[Line], float], chosen: Sequence[int]) -> dict[str, Any]:
        return change(means(before, value, chosen), means(after, value, chosen))

    def right(line: Line) -> float:
        return float(line["correct"])

    def relations(j: int) -> list[str]:
        return [relation["relation"] for relation in before.lines[j][0]["relations"]]

    counts = sorted({len(relations(j)) for j in prompts})
    families = sorted({name for j in prompts for name in relations(j)})
    return {
        "accuracy": row(right, prompts),
        "chance": row(lambda line: float(line["correct_by_chance"]), prompts),
        "presence": row(lambda line: float(all(r["boxes"] is not None for r in line["relations"])), prompts),
        "by_relations": {str(n): row(right, [j for j in prompts if len(relations(j)) == n]) for n in counts},
        "by_family": {
            name: row(lambda line, name=name: _true(line, name), [j for j in prompts if name in relations(j)])
            for name in families
        },
    }


def _true(line: Line, family: str) -> float:
    return float(np.mean([r["verdict"] == "true" for r in line["relations"] if r["relation"] == family]))


def pictures_of(side: Judged, prompt: int) -> Tensor:
    """Return the pictures of a prompt, float32 `[K, 3, H, W]` in [0, 1]."""
    paths = [side.run.path((prompt, line["image"])) for line in side.lines[prompt]]
    return torch.stack(to_tensors(paths))


def compare_pictures(
    before: Judged,
    after: Judged,
    prompts: Sequence[int],
    distance: PerceptualDistance,
    *,
    real: Tensor | None = None,
) -> dict[str, Any]:
    """Return the `change` of diversity among a prompt's pictures and its right ones, and of sharpness.

    A policy that follows the prompt draws fewer layouts, and so does whoever throws wrong pictures away. So
    right pictures are compared by themselves, on prompts of which both runs have two or more; `all_before`
    is what all pictures of these prompts came to in the first run. Sharpness is the root mean square step
    between neighbouring pixels in levels of 255 (blur makes many small steps of a large one, whose mean
    stays): a judge of places does not mind blur, and a policy may drift there. The probes say what share of
    the pictures a small classifier tells from real ones.

    Args:
        before, after: The runs, with at least two pictures of a prompt.
        prompts: To compare on.
        distance: Says how different pictures look.
        real: uint8 `[R, 3, H, W]`, for the probes; None leaves them out.
    """
    among_all: list[FloatArray] = []
    among_right: list[FloatArray] = []
    sharpness: list[FloatArray] = []
    probes: dict[str, Any] = {}
    for name, side in (("before", before), ("after", after)):
        all_: list[float] = []
        right: list[float] = []
        steps: list[float] = []
        kept: list[Tensor] = []
        for j in tqdm(prompts, desc=f"looking at the pictures {name}", disable=None):
            pictures = pictures_of(side, j)
            features = distance.features(pictures)
            correct = torch.tensor([bool(line["correct"]) for line in side.lines[j]])
            all_.append(spread(features))
            right.append(spread(features[correct]) if correct.sum() > 1 else math.nan)
            steps.append(_sharpness(pictures))
            kept.append((pictures[:_FOR_THE_PROBE] * 255).round().to(torch.uint8))
        among_all.append(np.array(all_))
        among_right.append(np.array(right))
        sharpness.append(np.array(steps))
        if real is not None:
            groups = [k for k, pictures in enumerate(kept) for _ in pictures]
            probes[name] = real_probe(real, torch.cat(kept), groups)
    found: dict[str, Any] = {"diversity": _ratio(*among_all), "sharpness": _ratio(*sharpness)}
    both = ~np.isnan(among_right).any(0)
    if both.any():
        row = _ratio(*(values[both] for values in among_right))
        found["diversity_right"] = row | {"all_before": float(among_all[0][both].mean())}
    return found | ({"told_from_real": probes} if probes else {})


def _sharpness(pictures: Tensor) -> float:
    across, down = (pictures.diff(dim=dim).square().mean() for dim in (-1, -2))
    return float((across + down) / 2) ** 0.5 * 255


def _ratio(before: FloatArray, after: FloatArray) -> dict[str, Any]:
    row = change(before, after)
    interval = bootstrap_interval(np.stack((before, after), axis=1), lambda means: means[:, 1] / means[:, 0])
    return row | {"ratio": row["after"] / row["before"], "ratio_interval": interval}
