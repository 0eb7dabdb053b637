"""The trainer: its loss by hand, exact resumption, what it saves, and that it learns what can be learned."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import statements
from two_processes import run_in_two

from spatial_core.reward_model import JUDGE_FILE, RewardOutput, SpatialRewardModel, read_judge
from spatial_core.scorers.reward import RewardScorer
from spatial_trainers import checkpoint as checkpoint_module
from spatial_trainers.checkpoint import TrainingState, load_state, save_state
from spatial_trainers.learning_rate import learning_rate_factor
from spatial_trainers.pairs.data import comparisons, read_manifest
from spatial_trainers.plain_attention import PlainAttention
from spatial_trainers.recipe import LossRecipe, OptimizerRecipe, RewardRecipe, build
from spatial_trainers.reward_model import train as trainer_module
from spatial_trainers.reward_model.batches import Batcher, prefetched
from spatial_trainers.reward_model.loss import clause_logits, reward_loss
from spatial_trainers.reward_model.train import (
    BEST_FILE,
    JUDGE_FOLDER,
    METRICS_FILE,
    STATE_FILE,
    train_reward,
)

SIDE = 56
LEFT = statements(("ball", "left_of", "cup"), ("lamp", "on", "box"))
RIGHT = statements(("ball", "right_of", "cup"), ("lamp", "on", "box"))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 + 6 pairs: the ball is a bright half of the picture, left or right, in noise."""
    folder = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 30, (44, SIDE, SIDE, 3), dtype=np.uint8)
    stack[0::2, :, : SIDE // 2] += 220
    stack[1::2, :, SIDE // 2 :] += 220
    np.save(folder / "stack.npy", stack)
    records = [
        {
            "id": str(i),
            "prompt": LEFT.text,
            "prompt_rejected": RIGHT.text,
            "graph": LEFT.to_dict(),
            "graph_rejected": RIGHT.to_dict(),
            "image_chosen": f"stack.npy#{2 * i}",
            "image_rejected": f"stack.npy#{2 * i + 1}",
            "edits": [{"kind": "flip_relation", "relation_index": 0}],
            "split": "train" if i < 16 else "validation",
        }
        for i in range(22)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "pairs.jsonl"


Make = Callable[..., RewardRecipe]


@pytest.fixture
def make(tmp_path: Path, tiny_folders: dict[str, Path], manifest: Path) -> Make:
    """Return a maker of recipes on the tiny backbone; keywords are `table__key`."""

    def recipe(output: str = "run", **changes: Any) -> RewardRecipe:
        table: dict[str, Any] = {
            "name": "tiny",
            "output": str(tmp_path / output),
            "checkpoint_every": 3,
            "log_every": 1,
            "model": {"backbone": str(tiny_folders["qwen2_5_vl"]), "lora_rank": 4, "lora_alpha": 8},
            "data": {"manifest": str(manifest)},
            "optimizer": {
                "steps": 6,
                "pairs_per_step": 4,
                "pairs_per_device": 4,
                "learning_rate": 3e-3,
                "mixed_precision": "no",
                "warmup_steps": 2,
                "schedule": "cosine",
                "ema_decay": 0.9,
            },
            "validation": {"every": 3, "pairs": 4},
        }
        for key, value in changes.items():
            inner = table
            *path, last = key.split("__")
            for name in path:
                inner = inner.setdefault(name, {})
            inner[last] = value
        return build(RewardRecipe, table)

    return recipe


def _output(mean: list[float], log_std: list[float], clauses: list[list[float]]) -> RewardOutput:
    values = torch.tensor(clauses)
    return RewardOutput(
        torch.tensor(mean),
        torch.tensor(log_std),
        values,
        torch.full_like(values, -30.0),
        torch.ones_like(values) > 0,
    )


def test_the_loss_by_hand() -> None:
    # One comparison; sigma is nearly 0, so the margin log 3 has probability 3/4.
    output = _output([math.log(3.0), 0.0], [-30.0, -30.0], [[0.0, math.log(3.0)], [0.0, math.log(3.0)]])
    labels = torch.tensor([[1.0, 1.0], [0.0, float("nan")]])
    recipe = LossRecipe(clause_weight=2.0, center_weight=0.1, prior_weight=0.0)
    terms = reward_loss(
        output, labels, recipe, label_counts=torch.tensor([1.0, 2.0]), generator=torch.Generator()
    )
    # The false one weighs 1/2, the two true ones 1/4 each; the unknown one nothing.
    clause = 0.5 * math.log(2.0) + 0.25 * math.log(2.0) - 0.25 * math.log(0.75)
    assert terms.preference.item() == pytest.approx(-math.log(0.75), abs=1e-6)
    assert terms.clause.item() == pytest.approx(clause, abs=1e-6)
    assert terms.centering.item() == pytest.approx(math.log(3.0) ** 2, abs=1e-6)
    assert terms.loss.item() == pytest.approx(
        -math.log(0.75) + 2 * clause + 0.1 * math.log(3.0) ** 2, abs=1e-6
    )
    assert terms.accuracy.item() == 1.0
    # Logits of 0 say "no": right for the false relation alone; log 3 says "yes", rightly.
    assert terms.clause_accuracy.item() == pytest.approx(2 / 3)


def test_ties_are_half_right_and_no_labels_cost_nothing() -> None:
    output = _output([1.0, 1.0], [0.0, 0.0], [[5.0], [5.0]])
    nan = torch.full((2, 1), float("nan"))
    terms = reward_loss(output, nan, LossRecipe(), label_counts=torch.zeros(2), generator=torch.Generator())
    assert terms.accuracy.item() == 0.5
    assert terms.clause.item() == 0.0
    assert math.isfinite(terms.loss.item())


@pytest.mark.parametrize("name", ["gaussian", "gaussian_mc", "bt", "btt"])
def test_every_preference_loss_pulls_the_better_picture_up(name: Any) -> None:
    output = _output([0.1, 0.3], [0.0, 0.0], [[0.0], [0.0]])
    output.mean.requires_grad_()
    terms = reward_loss(
        output,
        torch.full((2, 1), float("nan")),
        LossRecipe(preference=name, center_weight=0.0),
        label_counts=torch.zeros(2),
        generator=torch.Generator().manual_seed(0),
    )
    terms.loss.backward()
    assert output.mean.grad is not None
    assert output.mean.grad[0] < 0 < output.mean.grad[1]


def test_an_unsure_relation_is_nearer_to_even() -> None:
    sure, unsure = clause_logits(torch.tensor([2.0, 2.0]), torch.tensor([-4.0, 3.0])).tolist()
    assert sure == pytest.approx(2.0, abs=1e-3)
    # sqrt(1 + pi / 8 e^6) = 12.63
    assert unsure == pytest.approx(2.0 / 12.63, abs=1e-3)


def test_the_learning_rate_by_hand() -> None:
    cosine = OptimizerRecipe(steps=12, warmup_steps=2, schedule="cosine")
    assert [learning_rate_factor(s, cosine) for s in (0, 1, 2, 7)] == pytest.approx([0.5, 1.0, 1.0, 0.5])
    assert learning_rate_factor(11, cosine) > 0
    constant = replace(cosine, schedule="constant")
    assert [learning_rate_factor(s, constant) for s in (0, 2, 11)] == [0.5, 1.0, 1.0]


def test_plain_attention_equals_the_fused_kernel_and_its_gradient() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 8, requires_grad=True) for _ in range(3))
    mask = torch.zeros(2, 1, 5, 5).masked_fill(torch.ones(5, 5).triu(1) > 0, torch.finfo(torch.float32).min)
    results = []
    for mode in (None, PlainAttention()):
        if mode is not None:
            mode.__enter__()
        out = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        if mode is not None:
            mode.__exit__(None, None, None)
        out.square().sum().backward()
        results.append([out.detach(), query.grad, key.grad, value.grad])
        query.grad = key.grad = value.grad = None
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_batches_come_in_order_and_errors_come_through() -> None:
    assert list(prefetched(lambda i: i * i, range(7), depth=3)) == [i * i for i in range(7)]

    def fail(i: int) -> int:
        if i == 2:
            raise ValueError("third")
        return i

    made = prefetched(fail, range(5), depth=2)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="third"):
        next(made)


def test_a_batch_holds_each_picture_once_and_labels_for_both_sides(make: Make) -> None:
    recipe = make()
    model = SpatialRewardModel.from_backbone(recipe.model.backbone)
    pairs = read_manifest(recipe.data.manifest).splits["train"][:2]
    batch = Batcher(model)(comparisons(pairs, symmetric=True))
    assert batch.inputs.packed.input_ids.shape[0] == 8
    assert len(batch.inputs.grid_thw) == 4
    assert batch.labels.tolist() == [[1.0, 1.0]] * 4 + [[0.0, 1.0]] * 4
    # Better pictures first: I+ for c, I- for c', then the others.
    assert batch.inputs.image_of_row == (0, 1, 2, 3, 1, 0, 3, 2)


def test_it_learns_what_can_be_learned_and_saves_it(make: Make, tmp_path: Path) -> None:
    # An adapter and a vision tower: both kinds of weights are in the file.
    recipe = make(
        optimizer__steps=80,
        validation__every=20,
        model__lora_rank=16,
        model__lora_alpha=32.0,
        model__lora_dropout=0.0,
        model__tune_vision=True,
    )
    card = train_reward(recipe)
    results = card["results"]["validation"]
    assert results["accuracy"]["accuracy"] == 1.0
    assert results["both_ways"] == {"accuracy": 1.0, "low": 0.609666, "high": 1.0, "n": 6}
    assert results["verdicts_by_family"]["left_of"]["balanced"] == 1.0
    assert results["verdicts_by_family"]["on"]["true"]["n"] == 24
    assert card["kept"]["accuracy"] == 1.0

    # The shipped folder alone is enough, and gives the rewards of the trained weights.
    folder = tmp_path / "run" / JUDGE_FOLDER
    scorer = RewardScorer.from_pretrained(folder, parser=lambda text: LEFT if "left" in text else RIGHT)
    assert scorer.config.temperature == card["temperature"]
    pairs = read_manifest(recipe.data.manifest).splits["validation"]
    images = [pairs[0].chosen.read(), pairs[0].rejected.read()]
    scores = scorer.score(images, LEFT.text, explain=True)
    assert scores.mean[0] > scores.mean[1]
    assert [[r.verdict for r in reports] for reports in scores.relations or []] == [
        ["true", "true"],
        ["false", "true"],
    ]
    assert "| both ways right | 1.000 |" in (folder / "README.md").read_text("utf-8")
    assert json.loads((folder / "card.json").read_text("utf-8")) == card
    assert str(tmp_path) not in (folder / "card.json").read_text("utf-8")


class _KilledError(Exception):
    pass


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / STATE_FILE) | {
        f"judge/{k}": v for k, v in load_file(folder / JUDGE_FOLDER / JUDGE_FILE).items()
    }


@pytest.mark.parametrize("lora_rank", [4, 0])
def test_a_killed_run_goes_on_bit_for_bit(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lora_rank: int
) -> None:
    changes: dict[str, Any] = {
        "model__lora_rank": lora_rank,
        "model__lora_dropout": 0.3,
        "optimizer__pairs_per_device": 2,
    }
    train_reward(make("whole", **changes))

    taken = 0
    step = trainer_module.RewardTrainer.take_step

    def dies(self: Any, batches: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 5:
            raise _KilledError
        return step(self, batches)

    monkeypatch.setattr(trainer_module.RewardTrainer, "take_step", dies)
    with pytest.raises(_KilledError):
        train_reward(make("killed", **changes))
    monkeypatch.setattr(trainer_module.RewardTrainer, "take_step", step)
    assert load_state(tmp_path / "killed" / STATE_FILE).step == 3
    train_reward(make("killed", **changes))

    whole, killed = _tensors(tmp_path / "whole"), _tensors(tmp_path / "killed")
    assert whole.keys() == killed.keys()
    for key, value in whole.items():
        assert torch.equal(value, killed[key]), key
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds_per_step"}
            for line in (tmp_path / run / METRICS_FILE).read_text("utf-8").splitlines()
        ]
        for run in ("whole", "killed")
    ]
    assert logs[0] == logs[1]
    assert [line["step"] for line in logs[0] if "loss" in line] == [1, 2, 3, 4, 5, 6]


def test_a_step_does_not_depend_on_how_it_is_shared_out(make: Make, tmp_path: Path) -> None:
    for size in (4, 1):
        train_reward(
            make(f"by{size}", optimizer__pairs_per_device=size, optimizer__steps=2, model__lora_dropout=0.0)
        )
    one, other = (load_state(tmp_path / f"by{size}" / STATE_FILE) for size in (4, 1))
    for name, value in one.weights.items():
        torch.testing.assert_close(value, other.weights[name], atol=2e-4, rtol=1e-3)


def test_a_resumed_run_must_be_the_same_run(make: Make, manifest: Path, tmp_path: Path) -> None:
    train_reward(make(optimizer__steps=1))
    with pytest.raises(ValueError, match="'optimizer.learning_rate' = 0.003.*now says 0.001"):
        train_reward(make(optimizer__steps=1, optimizer__learning_rate=1e-3))
    other = manifest.with_name("other.jsonl")
    other.write_text("\n".join(manifest.read_text("utf-8").splitlines()[1:]), encoding="utf-8")
    state = load_state(tmp_path / "run" / STATE_FILE)
    recipe = dict(state.facts["recipe"])
    recipe["data"] = dict(recipe["data"]) | {"manifest": str(other)}
    save_state(tmp_path / "run" / STATE_FILE, replace(state, facts=dict(state.facts) | {"recipe": recipe}))
    with pytest.raises(ValueError, match="was trained on other pairs"):
        train_reward(make(optimizer__steps=1, data__manifest=str(other)))


@pytest.mark.parametrize("lora_rank", [4, 0])
def test_training_goes_on_from_a_trained_judge(make: Make, tmp_path: Path, lora_rank: int) -> None:
    changes: dict[str, Any] = {
        "model__lora_rank": lora_rank,
        "optimizer__steps": 3,
        "optimizer__ema_decay": 0.0,
    }
    train_reward(make("first", **changes))
    first = tmp_path / "first" / JUDGE_FOLDER
    # A step that moves nothing: what is saved is what was loaded.
    still = {"optimizer__steps": 1, "optimizer__learning_rate": 1e-30, "model__init_from": str(first)}
    # Another alpha must not matter: the file is folded.
    train_reward(make("second", **(changes | still), model__lora_alpha=2.0))
    _, before = read_judge(first / JUDGE_FILE)
    _, after = read_judge(tmp_path / "second" / JUDGE_FOLDER / JUDGE_FILE)
    assert before.keys() == after.keys()
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, atol=1e-7, rtol=1e-6)
    assert any(key.startswith("adapter." if lora_rank else "weights.") for key in after)


def test_what_init_from_cannot_go_on_from_is_refused(
    make: Make, tmp_path: Path, tiny_folders: dict[str, Path]
) -> None:
    train_reward(make("first", optimizer__steps=1))
    first = str(tmp_path / "first" / JUDGE_FOLDER)
    with pytest.raises(ValueError, match="'model.lora_rank' is 8, but .* rank 4"):
        train_reward(make("a", model__init_from=first, model__lora_rank=8))
    with pytest.raises(ValueError, match="'model.lora_rank' is 0, but .* rank 4"):
        train_reward(make("b", model__init_from=first, model__lora_rank=0))
    with pytest.raises(ValueError, match="'model.max_pixels' is 99999"):
        train_reward(make("c", model__init_from=first, model__max_pixels=99999))
    with pytest.raises(ValueError, match="backbone"):
        train_reward(make("d", model__init_from=first, model__backbone=str(tiny_folders["qwen3_vl"])))
    with pytest.raises(FileNotFoundError, match=JUDGE_FILE):
        train_reward(make("e", model__init_from=str(tmp_path)))
    (tmp_path / JUDGE_FILE).write_bytes(b"\x00" * 100)
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        train_reward(make("f", model__init_from=str(tmp_path)))


def test_files_are_looked_for_before_a_model_loads(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(trainer_module, "build_model", never)
    with pytest.raises(ValueError, match="nowhere.jsonl"):
        train_reward(make("a", data__manifest=str(tmp_path / "nowhere.jsonl")))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match="config.json"):
        train_reward(make("b", model__backbone=str(empty)))


def test_a_split_that_is_missing_is_named(make: Make, manifest: Path, tmp_path: Path) -> None:
    lines = [line for line in manifest.read_text("utf-8").splitlines() if '"validation"' not in line]
    path = manifest.parent / "train_only.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match="pairs of the split 'validation'"):
        train_reward(make(data__manifest=str(path)))


def _state(step: int) -> TrainingState:
    weights = {"a": torch.arange(3.0), "b": torch.tensor(2.0)}
    return TrainingState(
        step, weights, {}, {"a": {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}}, {"best": {"x": 1}}
    )


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_state(tmp_path / "state.safetensors", _state(7))
    state = load_state(tmp_path / "state.safetensors")
    assert state.step == 7 and state.facts == {"best": {"x": 1}} and state.average == {}
    assert torch.equal(state.weights["a"], torch.arange(3.0)) and state.weights["b"].shape == ()
    assert torch.equal(state.optimizer["a"]["exp_avg"], torch.ones(3))


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, _state(1))
    before = path.read_bytes()

    def full(tensors: Any, file: Path, metadata: Any = None) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_state(path, _state(2))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_foreign_and_corrupt_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="says 'nothing'"):
        load_state(path)
    path.write_bytes(b"\x01\x02")
    with pytest.raises(ValueError, match="Delete it to start again"):
        load_state(path)


def test_two_processes_take_the_steps_of_one(make: Make, tmp_path: Path) -> None:
    from spatial_trainers.recipe import as_table

    train_reward(make("one", optimizer__steps=2, model__lora_dropout=0.0, optimizer__pairs_per_device=2))
    recipe = make("two", optimizer__steps=2, model__lora_dropout=0.0, optimizer__pairs_per_device=2)
    (tmp_path / "recipe.json").write_text(json.dumps(as_table(recipe)), encoding="utf-8")
    script = tmp_path / "run.py"
    script.write_text(
        "import json, sys\n"
        "from spatial_trainers.recipe import RewardRecipe, build\n"
        "from spatial_trainers.reward_model.train import train_reward\n"
        "drop = lambda t: {k: drop(v) if isinstance(v, dict) else v for k, v in t.items() if v is not None}\n"
        "train_reward(build(RewardRecipe, drop(json.load(open(sys.argv[1])))))\n",
        encoding="utf-8",
    )
    run_in_two(script, str(tmp_path / "recipe.json"))
    one, two = (load_state(tmp_path / run / STATE_FILE) for run in ("one", "two"))
    for name, value in one.weights.items():
        torch.testing.assert_close(value, two.weights[name], atol=2e-4, rtol=1e-3)
    assert (tmp_path / "two" / BEST_FILE).is_file()
