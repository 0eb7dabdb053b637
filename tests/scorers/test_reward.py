"""The reward scorer: batches, calibration, reports, files and the hub."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from PIL import Image
from tiny_models import statements
from torch import Tensor, nn

import spatial_core.starter as starter
from spatial_core.feature_cache import FeatureCache
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.reward_model import JUDGE_FILE, SpatialRewardModel, SpatialScoreConfig
from spatial_core.scorers.base import NO_RELATIONS_NOTE, SpatialScorer
from spatial_core.scorers.reward import RewardScorer
from spatial_core.scorers.verdicts import report_from_logit, verdict_of

BALL = ("red ball", "left_of", "blue cup")
CUP = ("blue cup", "on", "wooden table")
PLACE = ("red ball", "picture_left", "picture")


def make(folder: Path, **settings: Any) -> RewardScorer:
    config = SpatialScoreConfig(backbone=str(folder), max_pixels=8 * 8 * 28 * 28, **settings)
    torch.manual_seed(2)
    model = SpatialRewardModel.from_backbone(folder, config=config)
    nn.init.normal_(model.head[2].weight, std=0.5)
    return RewardScorer(model, batch_size=3)


@pytest.fixture(scope="module")
def scorer(tiny_folders: dict[str, Path]) -> RewardScorer:
    return make(tiny_folders["qwen2_5_vl"])


def pictures(*sizes: tuple[int, int], seed: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(3, h, w, generator=generator) for h, w in sizes]


SIZES = [(128, 128), (64, 200), (150, 70), (128, 128), (60, 60), (128, 128), (200, 64)]


def test_one_image_may_meet_many_prompts(scorer: RewardScorer) -> None:
    (image,) = pictures((90, 120), seed=9)
    graphs = [statements(BALL), statements(CUP, PLACE), SceneGraph("a quiet street"), statements(PLACE)]
    fresh = RewardScorer(scorer.model, batch_size=4)
    scores = fresh.score(image, graphs, explain=True)
    for row, graph in enumerate(graphs):
        alone = RewardScorer(scorer.model, cache_bytes=0).score(image, graph)
        assert scores.mean[row].item() == pytest.approx(alone.mean[0].item(), abs=1e-4)
    assert [len(reports) for reports in scores.relations or []] == [1, 2, 0, 1]
    assert (fresh.features.misses, fresh.features.hits) == (1, 0)
    # The image is known by its content when it comes again.
    fresh.score(image.clone(), statements(BALL, CUP))
    assert (fresh.features.misses, fresh.features.hits) == (1, 1)


def test_a_batch_too_large_is_halved(scorer: RewardScorer, monkeypatch: pytest.MonkeyPatch) -> None:
    images, graph = pictures(*SIZES), statements(BALL, CUP)
    small = RewardScorer(scorer.model, batch_size=8)
    prepare = scorer.model.prepare

    def short_of_memory(images: list[Tensor], *args: Any, **kwargs: Any) -> Any:
        if len(images) > 3:
            raise torch.OutOfMemoryError("too many")
        return prepare(images, *args, **kwargs)

    monkeypatch.setattr(scorer.model, "prepare", short_of_memory)
    scores = small.score(images, graph)
    assert small.batch_size == 2
    assert torch.allclose(scores.mean, scorer.score(images, graph).mean, atol=1e-4)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_compiled_blocks_give_the_same_scores(tiny_folders: dict[str, Path], family: str) -> None:
    compiled = make(tiny_folders[family])
    images, graph = pictures((64, 64), (64, 96)), statements(BALL, CUP)
    plain = compiled.score(images, graph).mean
    # Without a C++ compiler; the graphs are the same.
    compiled.compile_repeated_blocks(backend="eager", dynamic=True)
    compiled.features = FeatureCache(0)
    assert torch.allclose(compiled.score(images, graph).mean, plain, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_any_batch_equals_single_calls(scorer: RewardScorer, batch_size: int) -> None:
    """Seven images of five sizes, four prompts, two of them without relations between."""
    images = pictures(*SIZES)
    graphs = [
        statements(BALL, CUP, PLACE),
        statements(CUP),
        SceneGraph("a quiet street"),
        statements(BALL),
        statements(BALL, CUP, PLACE),
        SceneGraph(""),
        statements(PLACE, CUP),
    ]
    batched = RewardScorer(scorer.model, batch_size=batch_size).score(images, graphs, explain=True)
    assert batched.mean.std() > 0.05
    for i in range(7):
        single = scorer.score(images[i], graphs[i], explain=True)
        assert batched.mean[i].item() == pytest.approx(single.mean[0].item(), abs=1e-4)
        assert batched.std[i].item() == pytest.approx(single.std[0].item(), abs=1e-4)
        assert [r.verdict for r in batched.relations[i]] == [r.verdict for r in single.relations[0]]
        for ours, alone in zip(batched.relations[i], single.relations[0], strict=True):
            assert ours.margin == pytest.approx(alone.margin, abs=1e-4)


def test_order_does_not_matter(scorer: RewardScorer) -> None:
    images, graph = pictures(*SIZES), statements(BALL, CUP)
    forward, backward = scorer.score(images, graph), scorer.score(images[::-1], graph)
    torch.testing.assert_close(forward.mean, backward.mean.flip(0), atol=1e-4, rtol=0)
    torch.testing.assert_close(forward.std, backward.std.flip(0), atol=1e-4, rtol=0)


def test_empty_batch(scorer: RewardScorer) -> None:
    scores = scorer.score([], statements(BALL), explain=True)
    assert scores.mean.shape == scores.std.shape == scores.satisfied.shape == (0,)
    assert scores.relations == []


def test_prompt_without_spatial_content_has_a_mean_but_no_verdict(scorer: RewardScorer) -> None:
    scores = scorer.score(pictures((64, 64)), SceneGraph("a quiet street"), explain=True)
    assert math.isfinite(scores.mean.item())
    assert math.isnan(scores.satisfied.item())
    assert scores.relations == [[]]
    assert scores.notes == (NO_RELATIONS_NOTE,)


def test_picture_forms_agree(scorer: RewardScorer, tmp_path: Path) -> None:
    levels = (pictures((90, 120))[0] * 255).round().to(torch.uint8)
    image = Image.fromarray(levels.permute(1, 2, 0).numpy())
    image.save(tmp_path / "a.png")
    graph = statements(BALL)
    forms = [image, tmp_path / "a.png", levels, levels.permute(1, 2, 0)[None], levels[None].float() / 255]
    means = [scorer.score(form, graph).mean.item() for form in forms]
    assert means == pytest.approx([means[0]] * 5, abs=1e-5)


def test_probability_is_the_calibrated_sigmoid(tiny_folders: dict[str, Path]) -> None:
    """P(a better) = sigmoid((mu_a - mu_b) / sqrt(1 + pi (s_a^2 + s_b^2) / 8) / T), within .02."""
    scorer = make(tiny_folders["qwen2_5_vl"], temperature=0.2)
    noise = pictures(*[(64, 64)] * 3)
    images = [torch.zeros(3, 64, 64), *noise, noise[0] * 0.2, torch.ones(3, 64, 64)]
    graph = statements(BALL, CUP)
    with torch.no_grad():
        output = scorer.model(scorer.model.prepare(images, [graph] * 6))
    mean, variance = output.mean, (2 * output.log_std).exp()
    seen: list[float] = []
    for a in range(6):
        for b in range(a):
            shrink = 1 + math.pi / 8 * (variance[a] + variance[b])
            expected = torch.sigmoid((mean[a] - mean[b]) / shrink.sqrt() / 0.2).item()
            seen.append(scorer.compare(images[a], images[b], graph))
            assert seen[-1] == pytest.approx(expected, abs=0.02)
    assert max(seen) - min(seen) > 0.2


def test_reports(tiny_folders: dict[str, Path]) -> None:
    scorer = make(tiny_folders["qwen2_5_vl"], clause_temperature=0.5)
    graph = statements(BALL, CUP, PLACE)
    images = pictures((64, 64), (96, 64))
    with torch.no_grad():
        output = scorer.model(scorer.model.prepare(images, [graph] * 2))
    scores = scorer.score(images, graph, explain=True)
    for i in range(2):
        assert [r.relation for r in scores.relations[i]] == ["left_of", "on", "picture_left"]
        assert [r.text for r in scores.relations[i]] == graph.text.rstrip(".").split(". ")
        for k, report in enumerate(scores.relations[i]):
            variance = math.exp(2 * output.clause_log_std[i, k])
            logit = output.clause_mean[i, k].item() / math.sqrt(1 + math.pi * variance / 8) / 0.5
            assert report.margin == pytest.approx(logit, abs=1e-4)
            assert report.score == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
            assert report.verdict == verdict_of(report.score)
            assert graph.text[slice(*report.span)] == report.text
        share = sum(r.verdict == "true" for r in scores.relations[i]) / 3
        assert scores.satisfied[i].item() == pytest.approx(share)
    assert scorer.score(images, graph).relations is None


def test_verdicts() -> None:
    names = ["false", "false", "ambiguous", "ambiguous", "true", "true"]
    assert [verdict_of(s) for s in (0.0, 0.35, 0.351, 0.649, 0.65, 1.0)] == names
    graph = statements(BALL)
    for logit, score in ((0.0, 0.5), (1000.0, 1.0), (-1000.0, 0.0), (math.log(3), 0.75)):
        assert report_from_logit(graph, graph.relations[0], logit).score == pytest.approx(score)


def test_ranking_puts_the_highest_mean_first(scorer: RewardScorer) -> None:
    images, graph = pictures(*SIZES), statements(BALL, CUP)
    ranking = scorer.rank(images, graph)
    means = scorer.score(images, graph).mean
    assert ranking.order.tolist() == means.argsort(descending=True).tolist()
    assert ranking.p_best.sum() == pytest.approx(1.0)


def test_bad_input(scorer: RewardScorer) -> None:
    with pytest.raises(ValueError, match="512 tokens"):
        scorer.score(pictures((64, 64)), SceneGraph("ball " * 10000))
    with pytest.raises(ValueError, match="one prompt or one per image"):
        scorer.score(pictures((64, 64), (64, 64), (64, 64)), [SceneGraph("a")] * 2)
    with pytest.raises(ValueError, match="NaN"):
        scorer.score(torch.full((3, 64, 64), math.nan), statements(BALL))
    with pytest.raises(ValueError, match="batch_size"):
        RewardScorer(scorer.model, batch_size=0)


# Files


def test_saved_and_loaded_scores_alike(scorer: RewardScorer, tmp_path: Path) -> None:
    scorer.save_pretrained(tmp_path / "judge")
    images, graph = pictures((64, 64), (90, 120)), statements(BALL, CUP)
    expected = scorer.score(images, graph)
    for loaded in (
        RewardScorer.from_pretrained(tmp_path / "judge"),
        SpatialScorer.from_pretrained(tmp_path / "judge"),
        SpatialScorer.from_pretrained(tmp_path / "judge" / JUDGE_FILE, scorer="reward", device="cpu"),
    ):
        scores = loaded.score(images, graph)
        torch.testing.assert_close(scores.mean, expected.mean, atol=1e-5, rtol=0)
        assert loaded.dtype == torch.float32


def test_a_judge_moves_together_with_its_backbone(tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(tiny_folders["qwen2_5_vl"], tmp_path / "a" / "backbone")
    make(tmp_path / "a" / "backbone").save_pretrained(tmp_path / "a" / "reward")
    (tmp_path / "a").rename(tmp_path / "b")
    loaded = RewardScorer.from_pretrained(tmp_path / "b" / "reward")
    assert loaded.config.backbone == "../backbone"
    # Saved elsewhere, the path to the backbone follows.
    loaded.save_pretrained(tmp_path / "c" / "deeper")
    again = RewardScorer.from_pretrained(tmp_path / "c" / "deeper")
    assert again.config.backbone == "../../b/backbone"


def test_the_card(scorer: RewardScorer, tmp_path: Path) -> None:
    scorer.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: spatial-diffusion\n")
    assert "base_model" not in card
    (tmp_path / "README.md").write_text("written by its training", "utf-8")
    RewardScorer.from_pretrained(tmp_path).save_pretrained(tmp_path / "copy")
    assert (tmp_path / "copy" / "README.md").read_text("utf-8") == "written by its training"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was uploaded, in place of the hub."""
    uploads: list[dict[str, Any]] = []

    class Api:
        def __init__(self, token: str | None = None) -> None:
            uploads.append({"token": token})

        def create_repo(self, repo_id: str, **options: Any) -> None:
            uploads[-1] |= {"repo": repo_id, **options}

        def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
            files = {p.name: p.read_bytes() for p in Path(folder_path).iterdir()}
            uploads[-1] |= {"files": files}
            return SimpleNamespace(commit_url=f"https://huggingface.co/{repo_id}/commit/1")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return uploads


def test_push_to_hub(scorer: RewardScorer, hub: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"local folder.*backbone='owner/backbone'"):
        scorer.push_to_hub("me/judge")
    assert not hub
    address = scorer.push_to_hub("me/judge", backbone="me/backbone", private=True)
    assert address == "https://huggingface.co/me/judge/commit/1"
    assert (hub[0]["repo"], hub[0]["private"]) == ("me/judge", True)
    assert set(hub[0]["files"]) == {JUDGE_FILE, "README.md"}
    assert b"base_model: me/backbone" in hub[0]["files"]["README.md"]
    (tmp_path / JUDGE_FILE).write_bytes(hub[0]["files"][JUDGE_FILE])
    loaded = RewardScorer.from_pretrained(tmp_path, backbone=scorer.config.backbone)
    assert loaded.config.backbone == "me/backbone"
    assert scorer.config.backbone != "me/backbone"


def test_no_hub_access(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> str:
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(FileNotFoundError, match=r"spatial_score\.safetensors.*hf download someone/judge"):
        RewardScorer.from_pretrained("someone/judge")


# The starter


def test_starter_files_are_named_when_they_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(starter, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(FileNotFoundError, match=r"reward/spatial_score\.safetensors.*backbone/config\.json"):
        RewardScorer.from_pretrained("starter")
    with pytest.raises(FileNotFoundError, match=r"needs backbone/config\.json"):
        starter.starter_path("vqa")
    with pytest.raises(ValueError, match="are reward, backbone"):
        starter.starter_path("geometric")  # pyright: ignore[reportArgumentType]


def test_starter_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    shutil.copytree(tiny_folders["qwen2_5_vl"], tmp_path / "backbone")
    make(tmp_path / "backbone").save_pretrained(tmp_path / "reward")
    monkeypatch.setattr(starter, "__file__", str(tmp_path / "__init__.py"))
    for loaded in (RewardScorer.from_pretrained("starter"), SpatialScorer.from_pretrained("starter")):
        assert isinstance(loaded, RewardScorer)
        assert loaded.config.backbone == "../backbone"


def test_revision_reaches_the_hub(
    monkeypatch: pytest.MonkeyPatch, scorer: RewardScorer, tmp_path: Path
) -> None:
    scorer.model.save_pretrained(tmp_path)
    asked: list[tuple[object, ...]] = []

    def download(repo: str, file: str, revision: str | None = None) -> str:
        asked.append((repo, file, revision))
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    RewardScorer.from_pretrained("me/judge", revision="v1", backbone=scorer.config.backbone)
    assert asked == [("me/judge", JUDGE_FILE, "v1")]


def test_config_is_restored_after_saving_fails(scorer: RewardScorer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    before = scorer.config
    with pytest.raises(OSError):
        scorer.save_pretrained(tmp_path / "file")
    assert scorer.config == before == replace(before)
