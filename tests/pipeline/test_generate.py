"""`spatial generate` with a tiny FLUX: winner, sheet, numbers, a LoRA, and a scorer that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from tiny_pipelines import FAMILIES

from spatial_core import SpatialDiffusionPipeline, cli
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.scorers.reward import RewardScorer

PROMPT = "a red ball to the left of a blue cup, and a lamp behind the cup"
SMALL = ["--height", "16", "--width", "16", "--steps", "3", "--device", "cpu"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, tiny_folders: dict[str, Path]) -> Path:
    """A folder with a tiny FLUX and a tiny SpatialScore."""
    folder = tmp_path_factory.mktemp("model")
    pipeline = SpatialDiffusionPipeline.from_pipe(
        FAMILIES["flux"].pipeline(),
        scorer=RewardScorer(SpatialRewardModel.from_backbone(tiny_folders["qwen3_vl"])),
    )
    pipeline.save_pretrained(folder)
    return folder


def test_winner_sheet_and_numbers(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["generate", PROMPT, "--model", str(model), "--candidates", "3", "--seed", "5", *SMALL]
    assert cli.main([*given, "--out", "best.png", "--sheet", "sheet.png", "--json", "numbers.json"]) == 0
    printed = capsys.readouterr().out
    report = json.loads(Path("numbers.json").read_text("utf-8"))
    candidates = report["candidates"]
    assert sorted(one["seed"] for one in candidates) == [5, 6, 7]
    assert [one["mean"] for one in candidates] == sorted((c["mean"] for c in candidates), reverse=True)
    assert [r["relation"] for r in candidates[0]["relations"]] == ["left_of", "behind"]
    assert sum(one["p_best"] for one in candidates) == pytest.approx(1.0, abs=1e-5)
    assert report["denoiser_evaluations"] == 9
    assert printed.index(f"seed {candidates[0]['seed']}") < printed.index(f"seed {candidates[2]['seed']}")
    assert Image.open("best.png").size == (16, 16)
    assert Image.open("sheet.png").width > 500

    assert cli.main([*given, "--search", "halving", "--json", "-"]) == 0
    halved = json.loads(capsys.readouterr().out)
    assert [one["finished"] for one in halved["candidates"]] == [True, True, False]
    assert halved["candidates"][2]["p_best"] is None and halved["denoiser_evaluations"] == 3 + 2 * 2
    assert Path("generated.png").is_file()


def test_lora(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def numbers(*more: str) -> list[float]:
        out = ["--out", str(tmp_path / "one.png"), "--json", "-"]
        given = ["generate", PROMPT, "--model", str(model), "--candidates", "1", *SMALL, *out, *more]
        assert cli.main(given) == 0
        return [one["mean"] for one in json.loads(capsys.readouterr().out)["candidates"]]

    def lora(family: str) -> str:
        torch.manual_seed(1)
        wrapped = get_peft_model(
            FAMILIES[family].pipeline().transformer,
            LoraConfig(r=2, lora_alpha=8, target_modules=["to_q", "to_v"], init_lora_weights=False),
        )
        wrapped.save_pretrained(tmp_path / family)
        return str(tmp_path / family)

    plain, own = numbers(), lora("flux")
    assert numbers("--lora", own) != plain
    assert numbers("--lora", own, "--lora-strength", "0") == pytest.approx(plain, abs=1e-5)
    out = ["--out", str(tmp_path / "one.png")]
    foreign = ["generate", PROMPT, "--model", str(model), *SMALL, *out, "--lora", lora("sd3")]
    assert cli.main(foreign) == 2
    assert "does not fit this FluxPipeline" in capsys.readouterr().err


def test_a_failing_scorer_leaves_the_pictures(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no judge today")

    monkeypatch.setattr(RewardScorer, "_score", fail)
    given = ["generate", PROMPT, "--model", str(model), "--candidates", "2", *SMALL]
    assert cli.main([*given, "--out", str(tmp_path / "best.png")]) == 2
    told = capsys.readouterr().err
    assert "no judge today" in told and "best-unscored" in told
    assert sorted(p.name for p in (tmp_path / "best-unscored").iterdir()) == ["seed-0.png", "seed-1.png"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model", "no/where"], "hf download no/where"),
        (["--out", "missing-folder/x.png"], "there is no folder"),
        (["--sheet", "sheet.txt"], "must end in"),
    ],
)
def test_mistakes(
    more: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cli.main(["generate", PROMPT, "--device", "cpu", *more]) == 2
    assert message in capsys.readouterr().err
