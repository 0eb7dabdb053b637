"""The class: made for a base, loaded, saved, converted back, offloaded, pushed."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline, FluxImg2ImgPipeline, FluxPipeline
from huggingface_hub import ModelCard
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core import SpatialDiffusionPipeline, SpatialScorer
from spatial_core.pipeline import spatial_class
from spatial_core.scorers.reward import RewardScorer

ARGUMENTS: dict[str, Any] = {**FAMILIES["flux"].inputs, "num_inference_steps": 2, "output_type": "pt"}


@pytest.fixture(scope="module")
def base() -> Any:
    return FAMILIES["flux"].pipeline()


@pytest.fixture
def pipeline(base: Any) -> Any:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=LeftBrightnessScorer())
    made.set_progress_bar_config(disable=True)
    return made


def test_one_class_for_each_base(pipeline: Any) -> None:
    kind = SpatialDiffusionPipeline.for_base(FluxPipeline)
    assert type(pipeline) is kind is spatial_class.SpatialFluxPipeline
    assert issubclass(kind, FluxPipeline) and issubclass(kind, SpatialDiffusionPipeline)
    assert kind.model_cpu_offload_seq.endswith("->vae->scorer")
    given = inspect.signature(kind.__call__).parameters
    theirs = inspect.signature(FluxPipeline.__call__).parameters
    assert list(given)[: len(theirs)] == list(theirs)
    assert given["num_candidates"].kind is inspect.Parameter.KEYWORD_ONLY


def test_the_saved_index(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text("utf-8"))
    assert index["_class_name"] == "FluxPipeline"
    assert index["scorer"] == {"class": ["tiny_pipelines", "LeftBrightnessScorer"]}
    pipeline.set_scorer(None)
    pipeline.save_pretrained(tmp_path)
    assert "scorer" not in json.loads((tmp_path / "model_index.json").read_text("utf-8"))
    assert SpatialDiffusionPipeline.from_pretrained(tmp_path).scorer is None


def test_types_and_variants(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path, variant="fp16")
    loaded = SpatialDiffusionPipeline.from_pretrained(
        tmp_path, variant="fp16", dtype={"scorer": torch.float32, "default": torch.bfloat16}
    )
    assert loaded.scorer.dtype == torch.float32
    assert loaded.transformer.dtype == loaded.vae.dtype == torch.bfloat16
    assert SpatialDiffusionPipeline.from_pretrained(tmp_path, variant="fp16", scorer=None).scorer is None


def test_a_reward_scorer_is_saved_beside_the_base(
    pipeline: Any, tiny_folders: dict[str, Path], tmp_path: Path
) -> None:
    from spatial_core.reward_model import SpatialRewardModel

    model = SpatialRewardModel.from_backbone(tiny_folders["qwen3_vl"])
    pipeline.set_scorer(RewardScorer(model))
    expected = pipeline(PROMPT, num_candidates=3, generator=torch.Generator().manual_seed(0), **ARGUMENTS)
    pipeline.save_pretrained(tmp_path)
    loaded = SpatialDiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert isinstance(loaded.scorer, RewardScorer)
    again = loaded(PROMPT, num_candidates=3, generator=torch.Generator().manual_seed(0), **ARGUMENTS)
    assert again.all_scores == pytest.approx(expected.all_scores, abs=1e-4)
    with pytest.raises(ValueError, match="which nobody else has"):
        loaded._upload_folder(tmp_path, "somebody/something")


def test_from_pipe_and_back(base: Any, pipeline: Any) -> None:
    assert pipeline.transformer is base.transformer
    plain = pipeline.to_base()
    assert type(plain) is FluxPipeline and plain.vae is base.vae
    assert SpatialDiffusionPipeline.from_pipe(pipeline).scorer is pipeline.scorer
    assert SpatialDiffusionPipeline.from_pipe(pipeline, scorer=None).scorer is None
    other: Any = FluxImg2ImgPipeline(**base.components)
    assert isinstance(SpatialDiffusionPipeline.from_pipe(other), FluxPipeline)
    base.text_encoder_2.to(torch.bfloat16)
    try:
        made = SpatialDiffusionPipeline.from_pipe(base)
        assert made.text_encoder_2.dtype == torch.bfloat16 and made.transformer.dtype == torch.float32
    finally:
        base.text_encoder_2.to(torch.float32)


def test_device_map(pipeline: Any, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path)
    loaded = SpatialDiffusionPipeline.from_pretrained(tmp_path, device_map="cpu")
    assert loaded.hf_device_map == "cpu" and loaded.scorer.device.type == "cpu"
    loaded.set_progress_bar_config(disable=True)
    assert len(loaded(PROMPT, num_candidates=2, **ARGUMENTS).images) == 1


def test_scorer_by_name(base: Any, tiny_folders: dict[str, Path], tmp_path: Path) -> None:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=str(tiny_folders["qwen3_vl"]))
    assert isinstance(made.scorer, SpatialScorer)
    base.save_pretrained(tmp_path)
    loaded = SpatialDiffusionPipeline.from_pretrained(
        tmp_path, scorer=tiny_folders["qwen3_vl"], dtype=torch.bfloat16
    )
    assert loaded.scorer.dtype == torch.bfloat16


def test_offloading_ends_with_everything_on_the_cpu(base: Any) -> None:
    made = SpatialDiffusionPipeline.from_pipe(FAMILIES["flux"].pipeline(), scorer=LeftBrightnessScorer())
    made.set_progress_bar_config(disable=True)
    made.enable_model_cpu_offload(device="cpu")
    hook = next(hook for hook in made._all_hooks if hook.model is made.scorer)
    offloads: list[str] = []
    type_of_hook = type(hook)
    original = type_of_hook.offload

    def watched(self: Any) -> None:
        offloads.append(type(self.model).__name__)
        original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type_of_hook, "offload", watched)
        output = made(PROMPT, num_candidates=3, micro_batch_size=1, **ARGUMENTS)
    assert offloads.count("LeftBrightnessScorer") >= 3, "After every micro-batch."
    assert len(output.all_seeds) == 3
    assert len(made._all_hooks) == 5


@pytest.mark.gpu
@pytest.mark.parametrize(
    "how", ["enable_model_cpu_offload", "enable_sequential_cpu_offload", "enable_group_offload"]
)
def test_offloading_on_a_card_changes_nothing(how: str, tiny_folders: dict[str, Path]) -> None:
    made = SpatialDiffusionPipeline.from_pipe(
        FAMILIES["flux"].pipeline(), scorer=SpatialScorer.from_pretrained(tiny_folders["qwen3_vl"])
    )
    made.set_progress_bar_config(disable=True)
    expected = made(PROMPT, num_candidates=2, generator=torch.Generator().manual_seed(0), **ARGUMENTS)
    card = torch.device("cuda")
    leaves = {"onload_device": card, "offload_type": "leaf_level"}
    getattr(made, how)(**leaves if how == "enable_group_offload" else {})
    output = made(PROMPT, num_candidates=2, generator=torch.Generator().manual_seed(0), **ARGUMENTS)
    assert output.all_scores == pytest.approx(expected.all_scores, abs=1e-2)


def test_hub_repository(pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scorer's files are fetched beside the base's, unless a scorer is given."""
    pipeline.save_pretrained(tmp_path)
    fetched: list[Any] = []
    monkeypatch.setattr(DiffusionPipeline, "download", classmethod(lambda *_, **__: tmp_path))
    monkeypatch.setattr(spatial_class, "snapshot_download", lambda *args, **kwargs: fetched.append(kwargs))
    loaded = SpatialDiffusionPipeline.for_base(FluxPipeline).from_pretrained("owner/name")
    assert isinstance(loaded.scorer, LeftBrightnessScorer)
    assert [call["allow_patterns"] for call in fetched] == [["scorer/*"]]
    assert fetched[0]["revision"] == tmp_path.name
    SpatialDiffusionPipeline.for_base(FluxPipeline).from_pretrained("owner/name", scorer=None)
    assert len(fetched) == 1


def test_pushing_completes_the_card(pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded: list[str] = []

    def upload(_self: Any, folder: Path, repo_id: str, **_: Any) -> None:
        uploaded.append(repo_id)

    monkeypatch.setattr(FluxPipeline, "_upload_folder", upload)
    ModelCard("---\nlicense: apache-2.0\ntags:\n- mine\n---\nMy words.\n").save(tmp_path / "README.md")
    pipeline.register_to_config(_name_or_path="black-forest-labs/FLUX.1-dev")
    for _ in range(2):
        pipeline._upload_folder(tmp_path, "owner/name")
    card = ModelCard.load(tmp_path / "README.md")
    assert uploaded == ["owner/name"] * 2
    assert card.data.tags == ["mine", "diffusers", "text-to-image", "spatial", "spatial-diffusion"]
    assert card.data.base_model == "black-forest-labs/FLUX.1-dev" and card.data.license == "apache-2.0"
    assert card.text.startswith("My words.")
    assert card.text.count('SpatialDiffusionPipeline.from_pretrained("owner/name")') == 1
