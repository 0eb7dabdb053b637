"""Whole runs of `spatial train-rl`: exact resume, the LoRA that comes out, several processes, mistakes."""

from __future__ import annotations

import gc
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from diffusers import FluxPipeline
from safetensors.torch import load_file, save_file
from tiny_flow import build_tiny_flow
from tiny_rl import tiny_recipe
from transformers import T5EncoderModel
from two_processes import run_in_two

import spatial_trainers.checkpoint as checkpoint_module
from spatial_core.cli import main
from spatial_core.lora import read_lora
from spatial_trainers.checkpoint import load_state
from spatial_trainers.recipe import build, load_recipe, recipe_path
from spatial_trainers.rewards.sums import RewardRecipe
from spatial_trainers.rl.advantage import Chosen
from spatial_trainers.rl.base import check_base, check_guidance
from spatial_trainers.rl.nft import NftRecipe
from spatial_trainers.rl.prompts import PromptsRecipe
from spatial_trainers.rl.recipe import BaseRecipe, EvaluationRecipe, RlRecipe
from spatial_trainers.rl.rollout import RolloutRecipe
from spatial_trainers.rl.train import RlRun, train_rl

RECIPES = recipe_path("rl-smoke").parent
PROMPTS = (
    "a red ball to the left of a blue cube",
    "a blue cube above a red ball",
    "the green cone is behind a yellow box",
    "a small yellow box on the table",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_flow(tmp_path_factory.mktemp("base"))


@pytest.fixture
def recipe(base: Path, tmp_path: Path) -> RlRecipe:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))
    rollout = RolloutRecipe(
        group_size=4,
        num_inference_steps=4,
        height=64,
        width=64,
        max_sequence_length=16,
        window_start=(0, 1),
        shared_prefix=True,
        micro_batch_size=4,
    )
    made = tiny_recipe(
        output=str(tmp_path / "run"),
        steps=6,
        base=BaseRecipe(str(base), dtype="float32"),
        prompts=PromptsRecipe(file=str(prompts)),
        reward=(RewardRecipe(function="spatial_trainers.rewards.toy:bright_left"),),
        evaluation=EvaluationRecipe(prompts=2, num_inference_steps=2, grid=2),
        trackers=(),
    )
    advantage = replace(made.advantage, num_best=1, num_worst=1, min_std=0.0)
    return replace(made, rollout=rollout, advantage=advantage)


def begun(recipe: RlRecipe) -> RlRun:
    return RlRun(recipe, Accelerator(cpu=True))


@pytest.mark.parametrize("algorithm", ["grpo", "nft"])
def test_three_steps_a_kill_and_three_more_are_six(recipe: RlRecipe, tmp_path: Path, algorithm: Any) -> None:
    if algorithm == "nft":
        rollout = replace(recipe.rollout, shared_prefix=False)
        recipe = replace(recipe, algorithm="nft", nft=NftRecipe(levels=1), rollout=rollout)
    whole = begun(recipe)
    for _ in range(6):
        whole.take_step()
    whole.save()
    cut = replace(recipe, output=str(tmp_path / "cut"))
    killed = begun(cut)
    for _ in range(3):
        killed.take_step()
    killed.save()
    killed.take_step()
    del killed
    resumed = begun(cut)
    assert resumed.trainer.step == 3
    for _ in range(3):
        resumed.take_step()
    resumed.save()
    one, two = load_state(whole.state_path), load_state(resumed.state_path)
    assert one.step == two.step == 6
    for group in ("weights", "average"):
        found = getattr(two, group)
        assert found.keys() == getattr(one, group).keys() != set()
        assert all(torch.equal(found[name], value) for name, value in getattr(one, group).items())
    assert one.optimizer.keys() == two.optimizer.keys()
    for name, entries in one.optimizer.items():
        assert all(torch.equal(two.optimizer[name][key], value) for key, value in entries.items())
    assert one.facts == two.facts
    assert any(value.abs().sum() > 0 for name, value in one.weights.items() if "lora_B" in name)


def test_a_run_leaves_a_lora_that_diffusers_loads(recipe: RlRecipe, base: Path) -> None:
    recipe = replace(recipe, steps=2)
    result = train_rl(recipe)
    lora = read_lora(result["lora"])
    assert lora.form == "diffusers" and lora.ranks == (4,) and lora.scales == (1.0,)
    card = lora.card
    assert card is not None and card.steps == 4 and card.base_class == "FluxTransformer2DModel"
    assert len(card.base_hash) == len(card.reward_hash) == 64 and card.reward == "bright_left"
    assert card.recipe["rollout"]["group_size"] == 4 and card.measured["after"]["reward"]["n"] == 2
    assert card.recommended["num_inference_steps"] == 2

    run = begun(recipe)
    with run.trainer.policy.averaged(), torch.no_grad():
        expected = drawn(run)
    with run.trainer.policy.reference(), torch.no_grad():
        plain = drawn(run)
    pipeline = FluxPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(result["lora"])
    call = {"height": 64, "width": 64, "num_inference_steps": 2, "max_sequence_length": 16}
    generator = torch.Generator().manual_seed(1)
    found = pipeline(PROMPTS[0], **call, generator=generator, output_type="latent").images
    assert (found - expected).abs().max() <= 1e-5
    assert (expected - plain).abs().max() > 1e-3

    lines = [json.loads(line) for line in (run.output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 1, 2, 2]
    assert {"reward", "reward_std", "grad_norm", "forwards_per_group", "tflops"} <= lines[1].keys()
    assert "independent judge" not in (run.output / "evaluation" / "table.md").read_text()
    assert (run.output / "evaluation" / "grid.png").stat().st_size > 1000


def drawn(run: RlRun) -> torch.Tensor:
    pipeline = run.trainer.pipeline
    generator = torch.Generator().manual_seed(1)
    call = {"height": 64, "width": 64, "num_inference_steps": 2}
    arguments = run.arguments([PROMPTS[0]])
    return pipeline(**arguments, **call, generator=generator, output_type="latent").images


def test_no_text_encoder_is_asked_after_the_cache(recipe: RlRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    forward = T5EncoderModel.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(T5EncoderModel, "forward", counted)
    run = begun(recipe)
    assert len(calls) == len(PROMPTS)
    assert run.trainer.pipeline.text_encoder is None and run.trainer.pipeline.text_encoder_2 is None
    run.evaluate()
    run.take_step()
    begun(recipe)
    assert len(calls) == len(PROMPTS)


@pytest.mark.parametrize("storage", ["", "float8"])
def test_storage_in_eight_bits_trains(recipe: RlRecipe, storage: Any) -> None:
    run = begun(replace(recipe, base=replace(recipe.base, dtype="bfloat16", storage=storage)))
    layer = run.trainer.pipeline.transformer.transformer_blocks[0].attn.to_q.base_layer
    log = run.take_step()
    run.take_step()
    assert layer.weight.dtype == (torch.float8_e4m3fn if storage else torch.bfloat16)
    assert log["grad_norm"] > 0
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in run.trainer.policy.trained.values())


def test_eight_bits_give_the_gradients_of_their_values(recipe: RlRecipe) -> None:
    """Storing in 8 bits rounds the weights and does nothing else, backwards too."""
    eight = begun(replace(recipe, base=replace(recipe.base, storage="float8", gradient_checkpointing=True)))
    plain = begun(recipe)
    there = plain.trainer.pipeline.transformer.state_dict()
    for key, value in eight.trainer.pipeline.transformer.state_dict().items():
        there[key].copy_(value)
    gradients: list[torch.Tensor] = []
    for run in (eight, plain):
        rollout = run.trainer.collect([PROMPTS[0]]).rollouts[0]
        chosen = Chosen(torch.arange(4), torch.tensor([1.0, 1.0, -1.0, -1.0]))
        assert run.trainer.grpo is not None
        run.trainer.grpo.backward(rollout, chosen, share=1.0, fresh=True)
        gradients.append(torch.cat([p.grad.flatten() for p in run.trainer.policy.trained.values()]))
    assert gradients[1].norm() > 0
    assert (gradients[0] - gradients[1]).norm() <= 1e-3 * gradients[1].norm()


def test_the_smoke_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "smoke")
    assert main(["train-rl", "rl-smoke", "--output", output, "--set", "trackers=[]"]) == 0
    assert "table.md and grid.png" in capsys.readouterr().out
    for name in ("lora/pytorch_lora_weights.safetensors", "evaluation/grid.png", "metrics.jsonl"):
        assert (tmp_path / "smoke" / name).is_file()


HALF_FLAT = """
from spatial_trainers.rewards.toy import bright_left

def half_flat(images, prompts):
    return [0.0 if "table" in p else float(r) for r, p in zip(bright_left(images, prompts), prompts)]
"""
TWICE = """
import json, sys
from pathlib import Path
import spatial_trainers.rl.base as base
from spatial_trainers.recipe import build, load_recipe, recipe_path
from spatial_trainers.rl.recipe import RlRecipe
from spatial_trainers.rl.train import train_rl

whole = base.shard_base
def noted(transformer, device):
    before = sum(p.numel() for p in transformer.parameters())
    whole(transformer, device)
    share = sum(p.to_local().numel() for p in transformer.parameters()) / before
    print(f"holds {share:.2f}", flush=True)
base.shard_base = noted
table = json.loads(Path(sys.argv[1]).read_text())
train_rl(build(RlRecipe, {**table, "output": sys.argv[2]}))
"""


@pytest.mark.parametrize(
    ("algorithm", "shard"),
    [
        pytest.param("grpo", False, marks=pytest.mark.slow),
        ("grpo", True),
        pytest.param("nft", True, marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_result_of_one(
    recipe: RlRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, shard: bool
) -> None:
    """Whole or sharded, and with groups that are left out in one process and not in the other."""
    rollout = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(recipe.rollout).items()}
    rollout |= {"window_start": [1, 1]} if algorithm == "grpo" else {"shared_prefix": False}
    table = {
        "name": "two",
        "steps": 4,
        "trackers": [],
        "algorithm": algorithm,
        "groups_per_step": 2,
        "updates_per_rollout": 1,
        "base": {"model": recipe.base.model, "dtype": "float32", "gradient_checkpointing": shard},
        "prompts": {"file": recipe.prompts.file},
        "reward": [{"function": "half_flat:half_flat"}],
        "rollout": {k: v for k, v in rollout.items() if v is not None},
        "advantage": vars(recipe.advantage) | {"min_std": 1e-6},
        "nft": {"levels": 1, "among": 2, "rest_weight": 0.5},
        "grpo": {"kl_weight": 0.1},
        "lora": {"rank": 4, "alpha": 8.0},
        "evaluation": {"prompts": 3, "num_inference_steps": 2, "grid": 2},
    }
    (tmp_path / "half_flat.py").write_text(HALF_FLAT)
    (tmp_path / "twice.py").write_text(TWICE)
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(table | {"base": {**table["base"], "shard": shard}}))
    printed = run_in_two(tmp_path / "twice.py", str(path), str(tmp_path / "two"), PYTHONPATH=str(tmp_path))
    assert printed.count("holds 0.5") == (2 if shard else 0), printed
    monkeypatch.syspath_prepend(str(tmp_path))
    train_rl(build(RlRecipe, {**table, "output": str(tmp_path / "one")}))
    lines = [json.loads(line) for line in (tmp_path / "one/metrics.jsonl").read_text().splitlines()]
    assert 0 < sum(line.get("left_out_groups", 0) for line in lines) < 8
    one, two = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert (two[name] - value).abs().max() <= 1e-5, name
    results = [json.loads((tmp_path / n / "evaluation/step-000004.json").read_text()) for n in ("one", "two")]
    assert results[0]["rewards"] == pytest.approx(results[1]["rewards"], abs=1e-5)
    cards = [read_lora(tmp_path / name / "lora").card for name in ("one", "two")]
    assert cards[0] is not None and cards[1] is not None
    assert cards[0].base_class == cards[1].base_class and cards[0].base_hash == cards[1].base_hash


@pytest.mark.slow
def test_memory_stays_flat_over_fifty_steps(recipe: RlRecipe) -> None:
    run = begun(recipe)

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    for _ in range(10):
        run.take_step()
    before = resident()
    for _ in range(50):
        run.take_step()
    assert resident() - before < 20 * 2**20


# ---- mistakes, found before any model loads ------------------------------------------------------------


@pytest.fixture
def nothing_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    def loads(*_: Any, **__: Any) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("spatial_trainers.rl.train.load_base", loads)


@pytest.mark.usefixtures("nothing_loads")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": PromptsRecipe(file="missing.txt")}, "Cannot read the prompts in missing.txt"),
        ({"base": BaseRecipe("/missing/folder")}, "/missing/folder"),
        ({"reward": (RewardRecipe(function="no_such_module:reward"),)}, "cannot be imported"),
        ({"evaluation": EvaluationRecipe(file="missing.txt")}, "Cannot read the prompts"),
    ],
)
def test_missing_things(recipe: RlRecipe, changes: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        begun(replace(recipe, **changes))


def test_a_sharded_base_needs_processes_in_step(recipe: RlRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would let one process gather the base while another does not, and wait for ever."""
    shard = replace(recipe.base, shard=True)
    rollout = replace(recipe.rollout, window_start=(1, 1))
    sharded = replace(recipe, base=shard, rollout=rollout)
    for changes, message in (
        ({"rollout": recipe.rollout}, r"one 'rollout.window_start' .* Set it to \[0, 0\]"),
        ({"base": replace(shard, storage="float8")}, "exclude each other"),
        ({"advantage": replace(recipe.advantage, num_best=0, num_worst=0)}, "'advantage.num_best'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(sharded, **changes)
    monkeypatch.setattr(Accelerator, "num_processes", 3)
    with pytest.raises(ValueError, match="must be a multiple of their number; got 1 and 3"):
        train_rl(sharded)


@pytest.mark.usefixtures("nothing_loads")
def test_empty_prompts(recipe: RlRecipe) -> None:
    Path(recipe.prompts.file).write_text("\n\n")
    with pytest.raises(ValueError, match="holds no prompt"):
        begun(recipe)


@pytest.mark.usefixtures("nothing_loads")
def test_step_distilled_bases_are_refused(recipe: RlRecipe, base: Path, tmp_path: Path) -> None:
    named = tmp_path / "SD3.5-Large-Turbo"
    shutil.copytree(base, named)
    with pytest.raises(ValueError, match="distilled to a few steps.*FLUX.1-dev for schnell"):
        begun(replace(recipe, base=BaseRecipe(str(named))))
    # As FLUX.1-schnell is configured, under a name that does not tell.
    schnell = tmp_path / "my-model"
    shutil.copytree(base, schnell)
    for name, change in (
        ("transformer/config.json", {"guidance_embeds": False}),
        ("scheduler/scheduler_config.json", {"use_dynamic_shifting": False}),
    ):
        path = schnell / name
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="distilled to a few steps"):
        check_base(str(schnell))
    check_base(str(base))


@pytest.mark.usefixtures("nothing_loads")
def test_other_families_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ValueError, match="must be one of FluxPipeline"):
        check_base(str(tmp_path))


def test_guidance_needs_a_negative_prompt(recipe: RlRecipe) -> None:
    for name, given in (
        ("StableDiffusion3Pipeline", {}),
        ("QwenImagePipeline", {"true_cfg_scale": 4.0}),
    ):
        with pytest.raises(ValueError, match="'rollout.negative_prompt'"):
            check_guidance(name, RolloutRecipe(**given))
        check_guidance(name, RolloutRecipe(**given, negative_prompt=""))
    check_guidance("StableDiffusion3Pipeline", RolloutRecipe(guidance_scale=1.0))
    with pytest.raises(ValueError, match="'rollout.true_cfg_scale' to 1"):
        begun(replace(recipe, rollout=replace(recipe.rollout, true_cfg_scale=2.0)))


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("rl-*.toml")))
def test_every_bundled_recipe_is_valid(name: str) -> None:
    recipe = load_recipe(name, RlRecipe)
    assert recipe.advantage.kept(recipe.rollout.group_size) <= recipe.rollout.group_size
    # Four processes, of which 'rl-flux-4x24gb' speaks.
    assert not recipe.base.shard or recipe.groups_per_step // recipe.updates_per_rollout % 4 == 0


def test_an_unknown_key_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train-rl", "rl-smoke", "--check", "--set", "rollout.group_siz=3"]) != 0
    assert "'rollout.group_size'" in capsys.readouterr().err
    assert main(["train-rl", "rl-smoke", "--check"]) == 0
    assert "3 steps of 2 groups of 8, 4 kept of each; no mistakes" in capsys.readouterr().out


def test_a_changed_recipe_does_not_resume(recipe: RlRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(recipe)
    run.save()
    for changes, message in (
        ({"seed": 1}, "made with 'seed' = 0, and the recipe now says 1"),
        ({"lora": replace(recipe.lora, rank=8)}, "'lora.rank'"),
        ({"reward": (replace(recipe.reward[0], weight=2.0),)}, "'reward'"),
    ):
        with pytest.raises(ValueError, match=message):
            begun(replace(recipe, **changes))
    Path(recipe.prompts.file).write_text("another prompt")
    with pytest.raises(ValueError, match="another content of 'prompts'"):
        begun(recipe)


def test_another_base_under_the_same_name_does_not_resume(
    recipe: RlRecipe, base: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "base"
    shutil.copytree(base, moved)
    recipe = replace(recipe, base=replace(recipe.base, model=str(moved)))
    begun(recipe).save()
    path = moved / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file({k: v + 0.01 for k, v in load_file(path).items()}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="another content of 'base'"):
        begun(recipe)


def test_a_full_disk_leaves_the_old_checkpoint(recipe: RlRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(recipe)
    run.take_step()
    run.save()
    before = run.state_path.read_bytes()

    def full(tensors: Any, file: Path, metadata: Any = None) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        run.save()
    assert run.state_path.read_bytes() == before
    monkeypatch.undo()
    assert begun(recipe).trainer.step == 1
