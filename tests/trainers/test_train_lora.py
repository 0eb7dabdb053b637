"""A LoRA from pictures, pairs and the best of N: what is learnt, written and taken up again."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from diffusers import FluxPipeline
from PIL import Image
from safetensors.torch import load_file
from tiny_flow import build_tiny_flow
from tiny_pipelines import FAMILIES
from torch import Tensor
from two_processes import run_in_two

from spatial_core.lora import read_lora
from spatial_trainers.lora import train as module
from spatial_trainers.lora.data import read_pictures
from spatial_trainers.lora.recipe import PicturesRecipe, TrainLoraRecipe
from spatial_trainers.lora.train import LORA_FOLDER, METRICS_FILE, SAMPLES_FOLDER, LoraRun, train_lora
from spatial_trainers.recipe import as_table, build, load_recipe
from spatial_trainers.rl.checkpoint import STATE_FILE

SIDE = 32
WEIGHTS = Path(LORA_FOLDER) / "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny FLUX."""
    return build_tiny_flow(tmp_path_factory.mktemp("base") / "flow")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of two shapes, each with a caption."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, size, color in (("a", (32, 32), "red"), ("b", (64, 32), "blue"), ("c", (40, 40), "green")):
        Image.new("RGB", size, color).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"a {color} ball\n")
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One pair in both directions."""
    folder = tmp_path_factory.mktemp("pairs")
    for name, color in (("good", "red"), ("bad", "blue")):
        Image.new("RGB", (SIDE, SIDE), color).save(folder / f"{name}.png")
    record = {
        "id": "1",
        "prompt": "a red ball is to the left of the blue cube",
        "prompt_rejected": "a red ball is to the right of the blue cube",
        "image_chosen": "good.png",
        "image_rejected": "bad.png",
        "split": "train",
    }
    (folder / "pairs.jsonl").write_text(json.dumps(record) + "\n")
    return folder / "pairs.jsonl"


def recipe(base: Path, output: Path, data: dict[str, Any], **changes: Any) -> TrainLoraRecipe:
    optimizer = {"steps": 2, "examples_per_step": 3, "micro_batch_size": 2, "learning_rate": 1e-2}
    samples = {"num_inference_steps": 2, "guidance_scale": 3.5, "per_prompt": 1}
    table: dict[str, Any] = {
        "name": "test",
        "output": str(output),
        "base": {"model": str(base), "dtype": "float32"},
        "resolution": SIDE,
        "max_sequence_length": 16,
        "log_every": 1,
        "checkpoint_every": 100,
        "lora": {"rank": 4, "alpha": 8.0, "targets": "blocks"},
        "optimizer": optimizer | changes.pop("optimizer", {}),
        "samples": samples | changes.pop("samples", {}),
        **data,
        **changes,
    }
    return build(TrainLoraRecipe, table)


def metrics(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / METRICS_FILE).read_text().splitlines()]


def drawn(pipeline: Any) -> Tensor:
    call = {"height": SIDE, "width": SIDE, "num_inference_steps": 2, "max_sequence_length": 16}
    generator = torch.Generator().manual_seed(0)
    return pipeline("a red ball", generator=generator, output_type="pt", **call).images


def test_pictures_are_learnt_and_the_file_acts_as_what_was_trained(
    base: Path, pictures: Path, tmp_path: Path
) -> None:
    r = recipe(
        base,
        tmp_path,
        {"pictures": {"folder": str(pictures)}},
        optimizer={"steps": 24, "ema_decay": 0.9},
        samples={"every": 12},
    )
    path = train_lora(r)
    assert path == tmp_path / WEIGHTS
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 25))
    first, last = (sum(line["flow_error"] for line in part) / 6 for part in (lines[:6], lines[-6:]))
    assert last < 0.8 * first
    assert sorted(p.name for p in (tmp_path / SAMPLES_FOLDER).iterdir()) == ["000012.png", "000024.png"]
    lora = read_lora(path)
    assert lora.scales == (1.0,) and lora.ranks == (4,) and lora.card is not None
    card = lora.card
    assert card.steps == 24 and card.base_class == "FluxTransformer2DModel" and len(card.base_hash) == 64
    assert "3 pictures" in card.notes and card.recipe["optimizer"]["ema_decay"] == 0.9
    assert card.recommended == {"strength": 1.0, "num_inference_steps": 2, "guidance_scale": 3.5}
    # The averaged weights, taken up from the checkpoint into the base, draw what the file draws.
    run = LoraRun(r, Accelerator())
    assert run.trainer.step == 24 and run.painter._pipeline.text_encoder is None
    with run.trainer.policy.averaged():
        live = run.painter.draw("a red ball", [0])
    plain = FluxPipeline.from_pretrained(base)
    plain.set_progress_bar_config(disable=True)
    before = drawn(plain)
    plain.load_lora_weights(path)
    torch.testing.assert_close(drawn(plain), live, atol=1e-5, rtol=0)
    assert (live - before).abs().max() > 1e-3
    assert metrics(tmp_path) == lines


@pytest.mark.parametrize("kind", ["pictures", "pairs"])
def test_a_run_goes_on_bit_for_bit(
    kind: str, base: Path, pictures: Path, manifest: Path, tmp_path: Path
) -> None:
    data = (
        {"pictures": {"folder": str(pictures)}}
        if kind == "pictures"
        else {"pairs": {"manifest": str(manifest)}}
    )

    def run(name: str, steps: int) -> None:
        changes = {"steps": steps, "ema_decay": 0.5, "warmup_steps": 3}
        train_lora(recipe(base, tmp_path / name, data, optimizer=changes, cache=str(tmp_path / "cache")))

    run("whole", 4)
    run("parts", 2)
    run("parts", 4)
    whole, parts = (load_file(tmp_path / name / STATE_FILE) for name in ("whole", "parts"))
    assert set(whole) == set(parts) and any(key.startswith("average/") for key in whole)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    files = [load_file(tmp_path / name / WEIGHTS) for name in ("whole", "parts")]
    assert files[0] and all(torch.equal(value, files[1][key]) for key, value in files[0].items())
    losses = [[line["loss"] for line in metrics(tmp_path / name)] for name in ("whole", "parts")]
    assert losses[0] == losses[1]


def test_ctrl_c_ends_the_step_and_writes_a_checkpoint(
    base: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = module.LoraTrainer.take_step

    def interrupted(self: Any) -> dict[str, float]:
        if self.step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return take(self)

    data = {"pictures": {"folder": str(pictures)}}
    r = recipe(base, tmp_path / "a", data, optimizer={"steps": 4}, cache=str(tmp_path / "cache"))
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(module.LoraTrainer, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_lora(r)
    assert signal.getsignal(signal.SIGINT) is handler
    assert [line["step"] for line in metrics(tmp_path / "a")] == [1, 2]
    assert not (tmp_path / "a" / LORA_FOLDER).exists()
    train_lora(r)
    train_lora(replace(r, output=str(tmp_path / "b")))
    whole, parts = (load_file(tmp_path / name / STATE_FILE) for name in "ba")
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_a_distilled_base_learns_without_guidance_and_draws_with_it(
    base: Path, pictures: Path, tmp_path: Path
) -> None:
    run = LoraRun(recipe(base, tmp_path, {"pictures": {"folder": str(pictures)}}), Accelerator())
    told: list[float] = []
    denoiser = run.painter._pipeline.transformer
    denoiser.register_forward_pre_hook(
        lambda _, args, kwargs: told.extend(kwargs["guidance"].tolist()), with_kwargs=True
    )
    run.trainer.take_step()
    assert set(told) == {1.0}
    told.clear()
    run.painter.draw("a red ball", [0])
    assert set(told) == {3.5}


def test_micro_batches_change_nothing_but_rounding(base: Path, pictures: Path, tmp_path: Path) -> None:
    found: list[list[float]] = []
    for size in (1, 3):
        changes = {"micro_batch_size": size, "learning_rate": 1e-3, "steps": 3}
        r = recipe(base, tmp_path / str(size), {"pictures": {"folder": str(pictures)}}, optimizer=changes)
        run = LoraRun(r, Accelerator())
        found.append([value for _ in range(3) for value in list(run.trainer.take_step().values())])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_pairs_begin_undecided_and_are_told_apart(base: Path, manifest: Path, tmp_path: Path) -> None:
    r = recipe(
        base,
        tmp_path,
        {"pairs": {"manifest": str(manifest), "symmetric": False, "beta": 100.0}},
        optimizer={"steps": 20, "examples_per_step": 2},
    )
    train_lora(r)
    lines = metrics(tmp_path)
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-5) and lines[0]["dpo_accuracy"] == 0.5
    assert lines[0]["grad_norm"] > 0
    late = lines[-5:]
    assert all(line["dpo_accuracy"] == 1.0 for line in late)
    assert sum(line["loss"] for line in late) / 5 < 0.8 * math.log(2)


def test_the_best_of_n_are_kept_and_never_drawn_twice(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "side_reward.py").write_text(
        "def redness(images, prompts):\n    return images[:, 0].mean((1, 2)) - images[:, 2].mean((1, 2))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "prompts.txt").write_text("a red ball\na blue cube\n")
    data = {
        "best_of_n": {
            "prompts": {"file": str(tmp_path / "prompts.txt")},
            "reward": [{"function": "side_reward:redness"}],
            "num_candidates": 5,
            "keep": 2,
        }
    }
    r = recipe(base, tmp_path / "run", data)
    train_lora(r)
    output = tmp_path / "run"
    (folder,) = (output / "best").iterdir()
    assert len(list(folder.glob("*.png"))) == 4
    facts = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    # Each kept picture is drawn again from its seed, and is judged the same.
    run = LoraRun(r, Accelerator())
    for fact in facts:
        assert [b["reward"] for b in fact["best"]] == sorted(
            (b["reward"] for b in fact["best"]), reverse=True
        )
        assert fact["best"][0]["reward"] > fact["mean"]
        with run.trainer.policy.reference():
            again, latents = run.painter.draw_latents(fact["prompt"], [fact["best"][0]["seed"]])
        kept = load_file((folder / fact["best"][0]["image"]).with_suffix(".safetensors"))
        # Learnt from are the latents that were drawn, not the picture encoded again.
        torch.testing.assert_close(kept["latents"], latents, atol=1e-5, rtol=0)
        index = next(
            i for i in range(run.count) if torch.equal(run.trainer._read(i).latents, kept["latents"])
        )
        assert run.trainer._read(index).prompt == fact["prompt"]
        assert float(again[:, 0].mean() - again[:, 2].mean()) == pytest.approx(
            fact["best"][0]["reward"], abs=1e-4
        )
    first = metrics(output)[0]
    assert first["step"] == 0 and first["reward_kept"] > first["reward_drawn"]
    card = read_lora(output / WEIGHTS).card
    assert card is not None and card.reward == "redness" and card.measured == pytest.approx(run.summary)

    def never(*_: Any) -> None:
        raise AssertionError("drawn again")

    with monkeypatch.context() as patch:
        patch.setattr(
            module.BestOfN, "make", lambda self, mine, tick: never() if self.missing(mine) else None
        )
        assert LoraRun(r, Accelerator()).count == 4


@pytest.mark.parametrize("family", ["sd3", "qwen_image"])
def test_other_families(family: str, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    FAMILIES[family].pipeline().save_pretrained(folder)
    samples = (
        {"guidance_scale": 3.0} if family == "sd3" else {"true_cfg_scale": 2.0, "negative_prompt": "bad"}
    )
    r = recipe(
        folder,
        tmp_path / "run",
        {"pictures": {"folder": str(pictures)}},
        samples={"guidance_scale": None, **samples} if family == "sd3" else {**samples},
        resolution=16,
        max_sequence_length=32,
    )
    path = train_lora(r)
    lines = metrics(tmp_path / "run")
    assert len(lines) == 2 and all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    plain = FAMILIES[family].pipeline()
    plain.load_lora_weights(path)
    assert list((tmp_path / "run" / SAMPLES_FOLDER).iterdir())


def test_a_base_in_8_bits_and_bfloat16_with_checkpointing(base: Path, pictures: Path, tmp_path: Path) -> None:
    model = {"model": str(base), "dtype": "bfloat16", "storage": "float8", "gradient_checkpointing": True}
    r = recipe(base, tmp_path, {"pictures": {"folder": str(pictures)}}, optimizer={"steps": 1})
    run = LoraRun(replace(r, base=build(type(r.base), model)), Accelerator())
    trained = set(run.trainer.policy.trained)
    weights = dict(run.painter._pipeline.transformer.named_parameters())
    assert all(weights[name].dtype == torch.float32 and weights[name].requires_grad for name in trained)
    frozen = [p for name, p in weights.items() if name not in trained]
    assert not any(p.requires_grad for p in frozen) and any(p.dtype == torch.float8_e4m3fn for p in frozen)
    values = run.trainer.take_step()
    assert math.isfinite(values["loss"]) and values["grad_norm"] > 0


@pytest.mark.slow
def test_two_processes_give_the_result_of_one(base: Path, manifest: Path, tmp_path: Path) -> None:
    data = {"pairs": {"manifest": str(manifest)}}
    changes = {"steps": 3, "examples_per_step": 4, "micro_batch_size": 1, "learning_rate": 1e-4}
    r = recipe(base, tmp_path / "two", data, optimizer=changes)
    script = tmp_path / "two.py"
    script.write_text(
        "import json, sys\nfrom spatial_trainers.lora.recipe import TrainLoraRecipe\n"
        "from spatial_trainers.recipe import build\nfrom spatial_trainers.lora.train import train_lora\n"
        f"table = json.loads({json.dumps(json.dumps(_filled(as_table(r))))})\n"
        "train_lora(build(TrainLoraRecipe, table))\n"
    )
    run_in_two(script)
    train_lora(replace(r, output=str(tmp_path / "one")))
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, atol=1e-5, rtol=1e-4)


def _filled(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table without the keys that TOML could not write."""
    return {k: _filled(v) if isinstance(v, dict) else v for k, v in table.items() if v is not None}


# ---- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, "exactly one of the tables .* got 0"),
        ({"pictures": {"folder": "a"}, "pairs": {"manifest": "b"}}, "got 2"),
        ({"pictures": {}}, "'pictures' needs exactly one of 'folder', 'manifest' and"),
        ({"pictures": {"folder": "a", "manifest": "b"}}, "'pictures' needs exactly one of"),
        ({"pairs": {}}, "'pairs' needs exactly one of 'manifest' and the table"),
        ({"pairs": {"manifest": "a", "beta": 0.0}}, "'pairs.beta' must be greater than 0"),
        ({"best_of_n": {"prompts": {"scenes": 2}, "reward": []}}, "needs a reward"),
        (
            {
                "best_of_n": {
                    "prompts": {"scenes": 2},
                    "reward": [{"scorer": "starter"}],
                    "num_candidates": 4,
                    "keep": 4,
                }
            },
            "'best_of_n.keep' must be at least 1 and below 'num_candidates'; got 4 and 4",
        ),
        (
            {"pictures": {"folder": "a"}, "optimiser": {}},
            "unknown key 'optimiser'. The nearest valid key is 'optimizer'",
        ),
        (
            {"pictures": {"folder": "a"}, "optimizer": {"steps": 0}},
            "'optimizer.steps' must be greater than 0",
        ),
        (
            {"pictures": {"folder": "a"}, "optimizer": {"steps": 1, "ema_decay": 1.0}},
            "'optimizer.ema_decay' must be in",
        ),
        ({"pictures": {"folder": "a"}, "resolution": 0}, "'resolution' must be greater than 0"),
        ({"pictures": {"folder": "a"}, "lora": {"rank": 0}}, "rank >= 1"),
    ],
)
def test_recipes_that_cannot_be(data: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        recipe(tmp_path, tmp_path, data)


def put(folder: Path, files: dict[str, bytes | str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "must be a folder with pictures"),
        ({}, "holds no picture"),
        ({"a.txt": "x"}, "holds no picture"),
        ({"a.png": b"x"}, "a.png has no caption. Write a.txt beside it"),
        ({"a.png": b"x", "a.txt": " \n"}, "a.png has no caption"),
        ({"a.png": b"x", "a.txt": b"\xff\xfe\x00"}, "a.txt is not text in UTF-8"),
    ],
)
def test_folders_that_cannot_be_learnt(files: dict[str, Any] | None, says: str, tmp_path: Path) -> None:
    if files is not None:
        put(tmp_path / "pictures", files)
    with pytest.raises(ValueError, match=says):
        read_pictures(PicturesRecipe(folder=str(tmp_path / "pictures")))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "Cannot read 'pictures.manifest'"),
        ("", "holds no pictures"),
        ("oops\n", "line 1: not JSON"),
        ("[]\n", 'line 1: must be an object with the texts "image" and "prompt"'),
        ('{"image": "a.png"}\n', 'line 1: must be an object with the texts "image" and "prompt"'),
        ('\n{"image": "b.png", "prompt": "b"}\n', "line 2: names the image .*b.png, which is not there"),
    ],
)
def test_manifests_that_cannot_be_learnt(content: str | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "m.jsonl").write_text(content)
    with pytest.raises(ValueError, match=says):
        read_pictures(PicturesRecipe(manifest=str(tmp_path / "m.jsonl")))


def test_forms_of_pictures(tmp_path: Path) -> None:
    put(tmp_path, {"b.png": b"2", "a.JPG": b"1", "a.txt": "\ufeffa  cat\nasleep", "notes.md": "x"})
    found = read_pictures(PicturesRecipe(folder=str(tmp_path), caption="in my style"))
    assert [e.prompt for e in found] == ["a cat asleep", "in my style"]
    (tmp_path / "m.jsonl").write_text(
        '{"image": "b.png", "prompt": "b"}\n\n{"file_name": "a.JPG", "text": "a", "seed": 3}\n'
    )
    found = read_pictures(PicturesRecipe(manifest=str(tmp_path / "m.jsonl")))
    assert [(e.prompt, e.pictures[0].path.name) for e in found] == [("b", "b.png"), ("a", "a.JPG")]


def test_mistakes_are_found_before_a_model_loads(
    base: Path, pictures: Path, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(module, "load_base", load)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    record = json.loads(manifest.read_text())
    other = put(tmp_path / "pairs", {n: (manifest.parent / n).read_bytes() for n in ("good.png", "bad.png")})
    (other / "m.jsonl").write_text(json.dumps(record | {"split": "test"}) + "\n")
    best = {"prompts": {"file": str(empty)}, "reward": [{"scorer": "starter"}]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"pictures": {"folder": str(tmp_path / "no")}}, "must be a folder with pictures"),
        ({"pairs": {"manifest": str(other / "m.jsonl")}}, "has no pairs of the split 'train'"),
        ({"pairs": {"manifest": str(tmp_path / "no.jsonl")}}, "no.jsonl"),
        ({"best_of_n": best}, "holds no prompt"),
        (
            {"best_of_n": best | {"prompts": {"scenes": 2}, "reward": [{"function": "nowhere:f"}]}},
            "'nowhere:f' cannot be imported",
        ),
    ]
    for data, says in cases:
        with pytest.raises(ValueError, match=says):
            train_lora(recipe(base, tmp_path / "run", data))
    index = json.loads((base / "model_index.json").read_text())
    distilled = put(tmp_path / "flux-schnell", {"model_index.json": json.dumps(index)})
    with pytest.raises(ValueError, match="is distilled to a few steps"):
        train_lora(recipe(distilled, tmp_path / "run", {"pictures": {"folder": str(pictures)}}))


def test_a_picture_that_cannot_be_read_is_named(base: Path, tmp_path: Path) -> None:
    folder = put(tmp_path / "pictures", {"a.png": b"no picture", "a.txt": "a cat"})
    with pytest.raises(ValueError, match="a.png is not a readable image"):
        LoraRun(recipe(base, tmp_path / "run", {"pictures": {"folder": str(folder)}}), Accelerator())


def test_a_checkpoint_of_something_else_a_full_disk_and_too_little_memory(
    base: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "pictures", {f.name: f.read_bytes() for f in pictures.iterdir()})
    data = {"pictures": {"folder": str(folder)}}
    r = recipe(base, tmp_path / "run", data, optimizer={"steps": 1})
    train_lora(r)
    state = tmp_path / "run" / STATE_FILE
    before = state.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_base", lambda *_: pytest.fail("a model was loaded"))
        with pytest.raises(ValueError, match="made with 'optimizer.learning_rate' = 0.01, .* now says 0.02"):
            LoraRun(replace(r, optimizer=replace(r.optimizer, learning_rate=0.02)), Accelerator())
    # What does not change a step may change.
    free = replace(r.optimizer, micro_batch_size=1, steps=2)
    run = LoraRun(replace(r, optimizer=free, checkpoint_every=7), Accelerator())

    def full(tensors: Any, path: Path, **_: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    run.trainer.take_step()
    with monkeypatch.context() as patch:
        patch.setattr("spatial_trainers.checkpoint.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            run.save()
    assert state.read_bytes() == before and not list((tmp_path / "run").glob(".*"))

    def hungry(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    with monkeypatch.context() as patch:
        patch.setattr("spatial_trainers.lora.trainer.predict", hungry)
        with pytest.raises(
            ValueError, match=r"too little memory .*Lower 'optimizer.micro_batch_size' \(now 1"
        ):
            run.trainer.take_step()
    (folder / "a.txt").write_text("another caption")
    with pytest.raises(ValueError, match="another content of 'pictures'"):
        LoraRun(r, Accelerator())


@pytest.mark.parametrize(
    "name", ["lora-smoke", "lora-dpo-flux-1x24gb", "lora-best-of-n-starter", "lora-supervised-starter"]
)
def test_bundled_recipes(name: str) -> None:
    assert load_recipe(name, TrainLoraRecipe).optimizer.steps > 0
