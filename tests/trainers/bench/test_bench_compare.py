"""Two runs of the generation benchmark beside each other: what improved, and what it was paid with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from spatial_core import cli
from spatial_core.images import to_pil
from spatial_core.localizer import SpatialLocalizer
from spatial_trainers.bench.generation_run import Run
from spatial_trainers.bench.perceptual_distance import PerceptualDistance
from spatial_trainers.bench.prompt_files import BenchPrompt
from spatial_trainers.bench.real_pictures import read_pictures, render_pictures
from spatial_trainers.bench.real_probe import real_probe
from spatial_trainers.bench.run_comparison import compare_pictures, compare_verdicts, paired, read_judged

PROMPTS = tuple(BenchPrompt(str(j), f"prompt {j}") for j in range(40))
IMAGES = 3


@pytest.fixture(scope="module")
def renders() -> torch.Tensor:
    return render_pictures(240)


def written(folder: Path, pictures: torch.Tensor, *, right: float, lost: bool = False, seed: int = 0) -> Path:
    """Write a run in which a share of the pictures is right, and return its folder."""
    run = Run(folder, PROMPTS, IMAGES, seed)
    run.note({"model": "starter", "lora": None, "judge": "localizer"})
    rng = np.random.default_rng(seed)
    lines: list[str] = []
    for j, k in run.places():
        true = bool(rng.random() < right)
        names = ("left_of",) if j % 2 else ("left_of", "behind")
        found = None if lost and not true else [[0.0, 0.0, 9.0, 9.0], [50.0, 0.0, 59.0, 9.0]]
        said = [
            {"relation": n, "text": n, "verdict": "true" if true else "false", "boxes": found} for n in names
        ]
        lines.append(
            json.dumps(
                {"prompt": j, "image": k, "correct": true, "correct_by_chance": not true, "relations": said}
            )
        )
        run.path((j, k)).parent.mkdir(parents=True, exist_ok=True)
        to_pil(pictures[(IMAGES * j + k) % len(pictures)]).save(run.path((j, k)))
    (folder / "verdicts.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_the_change_is_paired_by_prompt(tmp_path: Path, renders: torch.Tensor) -> None:
    pictures = renders[:9].float() / 255
    before = read_judged(written(tmp_path / "before", pictures, right=0.3, lost=True))
    after = read_judged(written(tmp_path / "after", pictures, right=0.8))
    prompts = paired(before, after)
    found = compare_verdicts(before, after, prompts)
    flags = [
        np.array([[line["correct"] for line in side.lines[j]] for j in prompts]) for side in (before, after)
    ]
    assert found["accuracy"]["before"] == pytest.approx(flags[0].mean())
    assert found["accuracy"]["change"] == pytest.approx(flags[1].mean() - flags[0].mean())
    low, high = found["accuracy"]["interval"]
    assert 0.2 < low < found["accuracy"]["change"] < high < 0.8
    # In the first run things are missing wherever a relation is wrong, in the second never.
    assert found["presence"]["before"] == found["accuracy"]["before"] and found["presence"]["after"] == 1.0
    assert set(found["by_relations"]) == {"1", "2"} and found["by_relations"]["1"]["prompts"] == 20
    assert found["by_family"]["left_of"]["prompts"] == 40 and found["by_family"]["behind"]["prompts"] == 20


def test_the_command(tmp_path: Path, renders: torch.Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = renders.float() / 255
    before = written(tmp_path / "before", pictures, right=0.3)
    # All pictures of a prompt alike, and blurred: what a spoilt policy draws.
    alike = F.avg_pool2d(pictures[:40].repeat_interleave(IMAGES, 0), 9, stride=1, padding=4)
    after = written(tmp_path / "after", alike, right=0.8)
    (tmp_path / "real").mkdir()
    for k, picture in enumerate(pictures[120:]):
        to_pil(picture).save(tmp_path / "real" / f"{k}.png")
    assert cli.main(["bench-compare", str(before), str(after), "--real", str(tmp_path / "real")]) == 0
    assert "| pictures right (spatial accuracy) |" in capsys.readouterr().out
    found: dict[str, Any] = json.loads((after / "comparison" / "comparison.json").read_text())
    assert found["diversity"]["ratio"] < 1e-3 < 0.01 < found["diversity"]["before"]
    right = found["diversity_right"]
    assert right["ratio"] < 1e-3 and 0 < right["prompts"] < 40
    assert found["sharpness"]["ratio"] < 0.6 and 1 < found["sharpness"]["before"] < 30
    told = found["told_from_real"]
    assert told["before"]["accuracy"] < 0.75 < 0.9 < told["after"]["accuracy"]
    assert (after / "comparison" / "sheet.png").is_file()


def test_diversity_among_right_pictures(tmp_path: Path, renders: torch.Tensor) -> None:
    pictures = renders[: 40 * IMAGES].float() / 255
    before = read_judged(written(tmp_path / "before", pictures, right=0.5))
    prompts = list(before.lines)
    flags = {j: [line["correct"] for line in before.lines[j]] for j in prompts}
    with_two = [j for j in prompts if sum(flags[j]) > 1]
    # The right pictures stay, the wrong ones become copies of one: only the whole differs less.
    narrowed = pictures.clone()
    for j in with_two:
        right = next(k for k in range(IMAGES) if flags[j][k])
        for k in range(IMAGES):
            if not flags[j][k]:
                narrowed[IMAGES * j + k] = pictures[IMAGES * j + right]
    after = read_judged(written(tmp_path / "after", narrowed, right=0.5))
    distance = PerceptualDistance(SpatialLocalizer.from_pretrained("starter"))
    found = compare_pictures(before, after, prompts, distance)
    assert found["diversity_right"]["prompts"] == len(with_two) < 40
    assert found["diversity_right"]["ratio"] == pytest.approx(1.0)
    assert found["diversity"]["ratio"] < 0.95
    j = with_two[0]
    mine = distance.diversity(torch.stack([pictures[IMAGES * j + k] for k in range(IMAGES) if flags[j][k]]))
    alone = compare_pictures(before, after, [j], distance)["diversity_right"]
    assert alone["before"] == pytest.approx(mine, rel=1e-3)
    assert alone["all_before"] != alone["before"] or all(flags[j])


def test_distance_is_of_what_is_shown(renders: torch.Tensor) -> None:
    distance = PerceptualDistance(SpatialLocalizer.from_pretrained("starter"))
    picture = renders[:1].float() / 255
    noisy = (picture + 0.02 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))).clamp(
        0, 1
    )
    same, close, far = (
        distance.diversity(torch.cat([picture, other]))
        for other in (picture, noisy, renders[1:2].float() / 255)
    )
    assert same == 0.0 < close < 0.5 * far
    with pytest.raises(ValueError, match="at least two"):
        distance.diversity(picture)


def test_real_pictures_are_not_told_from_real_ones(renders: torch.Tensor) -> None:
    found = real_probe(renders[:120], renders[120:], list(range(120)))
    assert 0.3 < float(found["accuracy"] or 0) < 0.7
    with pytest.raises(ValueError, match="needs real pictures"):
        real_probe(renders[:1], renders[120:], list(range(120)))


def test_what_cannot_be_compared_says_why(
    tmp_path: Path, renders: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"has no run\.json"):
        read_judged(tmp_path)
    pictures = renders[:9].float() / 255
    before = read_judged(written(tmp_path / "before", pictures, right=0.5))
    other = read_judged(written(tmp_path / "other", pictures, right=0.5, seed=1))
    with pytest.raises(ValueError, match="differ in seed"):
        paired(before, other)
    short = written(tmp_path / "short", pictures, right=0.5)
    (line, *_) = (short / "verdicts.jsonl").read_text().splitlines()
    (short / "verdicts.jsonl").write_text(line.replace('"prompt": 0', '"prompt": 99') + "\n")
    with pytest.raises(ValueError, match="share no prompt"):
        paired(before, read_judged(short))
    assert cli.main(["bench-compare", str(before.run.folder), str(short), "--sheet", "0"]) != 0
    assert "--sheet must be at least 1; got 0" in capsys.readouterr().err
    (tmp_path / "before" / "verdicts.jsonl").unlink()
    with pytest.raises(ValueError, match="holds no verdicts"):
        read_judged(tmp_path / "before")
    with pytest.raises(ValueError, match="it has none"):
        read_pictures(tmp_path / "empty", torch.Size((8, 8)))
