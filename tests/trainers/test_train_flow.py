"""The starter flow model's training: scenes, captions, the autoencoder, and a run that goes on exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, FluxPipeline
from safetensors.torch import load_file

from spatial_core.language.parser import parse_prompt
from spatial_core.language.scene_graph import PICTURE
from spatial_core.scenes.closure import FLOOR, Statement
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.splits import kinds_of, split_of, statement_split
from spatial_core.starter import starter_path
from spatial_trainers.flow import train as train_flow
from spatial_trainers.flow import train_vae
from spatial_trainers.flow.batches import FlowBatches, training_batches
from spatial_trainers.flow.captions import (
    CaptionSettings,
    caption_pool,
    captions,
    draw_caption,
    name_things,
    tokenize_captions,
)
from spatial_trainers.flow.latents import LatentCode, as_pixels, fit_basis, kind_codes
from spatial_trainers.flow.layout import flow_layout
from spatial_trainers.flow.model import FlowModelSettings, new_scheduler
from spatial_trainers.flow.scenes import FlowScenes, SceneSettings, build_scenes
from spatial_trainers.flow.sheet import save_sheet
from spatial_trainers.flow.start import read_start
from spatial_trainers.flow.tokenizers import clip_tokenizer, t5_tokenizer
from spatial_trainers.flow.train import (
    FlowRecipe,
    FlowTrainer,
    FlowTraining,
    draw_sigmas,
    pack_latents,
    rate_at,
)
from spatial_trainers.flow.train_vae import (
    HalfTrainer,
    VaeSettings,
    encoder_loss,
    half_batches,
    new_vae,
    reconstruction_psnr,
    train_half,
)
from spatial_trainers.flow.world import KINDS, FlowWorld, bundled_world, trained_world
from spatial_trainers.recipe import load_recipe

SIZE = 24


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> FlowRecipe:
    """A run of six steps of a model of 64 channels or fewer."""
    folder = tmp_path_factory.mktemp("flow")
    return FlowRecipe(
        output=str(folder / "run"),
        scenes=SceneSettings(str(folder / "scenes"), shards=1, validation_shards=0, shard_size=SIZE),
        vae=VaeSettings(steps=2, batch_size=1, crop=32, encoder_steps=2, encoder_batch_size=1, save_every=1),
        captions=CaptionSettings(variants=2),
        model=FlowModelSettings(single_blocks=2, heads=1, text_width=32, text_layers=1, clip_width=64),
        training=FlowTraining(
            text_steps=1,
            steps=5,
            wrong_from=2,
            guide_from=4,
            batch_size=4,
            text_batch_size=4,
            warmup=1,
            save_every=2,
        ),
    )


@pytest.fixture(scope="module")
def scenes(recipe: FlowRecipe) -> FlowScenes:
    """The run's scenes."""
    build_scenes(recipe.scenes)
    return FlowScenes(recipe.scenes, "train")


@pytest.fixture(scope="module")
def finished(recipe: FlowRecipe, scenes: FlowScenes) -> FlowRecipe:
    """The recipe, after its run."""
    with pytest.MonkeyPatch.context() as patch:
        # Sixteen prompts would take longer than the training.
        patch.setattr(train_flow, "save_sheet", lambda *_: None)
        train_flow.run(recipe)
    return recipe


# ---- scenes -------------------------------------------------------------------------------------------


def test_a_shard_depends_on_the_settings_alone(
    recipe: FlowRecipe, scenes: FlowScenes, tmp_path: Path
) -> None:
    again = replace(recipe.scenes, cache=str(tmp_path))
    build_scenes(again)
    assert FlowScenes(again, "train").digest == scenes.digest
    other = replace(again, seed=1)
    build_scenes(other)
    assert FlowScenes(other, "train").digest != scenes.digest


def test_statements_survive_the_shard(scenes: FlowScenes) -> None:
    kept = [scenes.statements(i) for i in range(len(scenes))]
    assert len(kept) == SIZE and all(kept)
    assert any(s.relation == "between" and len(s.objects) == 2 for found in kept for s in found)
    for i, found in enumerate(kept):
        count = len(scenes.scene(i).objects)
        for s in found:
            assert all(-2 <= k < count for k in (s.subject, *s.objects))
            assert len(s.objects) == (
                0 if s.relation.startswith("picture") or "ground" in s.relation else len(s.objects)
            )


def test_left_of_is_what_the_boxes_say(scenes: FlowScenes) -> None:
    checked = 0
    for i in range(len(scenes)):
        for s in scenes.statements(i):
            if s.relation == "left_of":
                a, b = scenes.boxes[i, s.subject], scenes.boxes[i, s.objects[0]]
                assert a[0] + a[2] < b[0] + b[2]
                checked += 1
    assert checked > 10


def test_layouts_are_of_few_places_always_seen_alike() -> None:
    scenes = [flow_layout(seed, FlowWorld()) for seed in range(200)]
    assert len({scene.camera for scene in scenes}) == len({scene.style for scene in scenes}) == 1
    things = [o for scene in scenes for o in scene.objects]
    assert {o.kind for o in things} == set(KINDS)
    assert {len(scene.objects) for scene in scenes} == {2, 3, 4}
    standing = {(round(o.position[0], 1), round(o.position[1], 1)) for o in things if o.support is None}
    assert len(standing) < 40
    assert {o.relation_to_support for o in things} == {"on", "inside"}
    for scene in scenes:
        assert (
            len({o.kind for o in scene.objects})
            == len({o.color for o in scene.objects})
            == len(scene.objects)
        )


def test_five_things_find_a_place() -> None:
    scenes = [flow_layout(seed, FlowWorld(counts=(5,))) for seed in range(40)]
    assert {len(scene.objects) for scene in scenes} == {5}
    assert any(o.relation_to_support == "on" for scene in scenes for o in scene.objects)


def test_scenes_are_made_of_what_the_recipe_names() -> None:
    world = FlowWorld(
        kinds=("ball", "cube", "bowl", "book"), colors=("red", "blue", "black", "green"), counts=(3,)
    )
    things = [flow_layout(seed, world).objects for seed in range(60)]
    assert {len(some) for some in things} == {3}
    assert {o.kind for some in things for o in some} == set(world.kinds)
    assert {o.color for some in things for o in some} == set(world.colors)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"kinds": ("ball", "cube", "bowl", "zebra")},
            "kinds' must be 4 or more different .*got zebra",
        ),
        ({"colors": ("red", "red", "blue", "green")}, "colors' must be 4 or more different ones of red, "),
        ({"counts": (2, 6)}, r"counts' must be a list of 2, 3, 4, 5; got \[2, 6\]"),
        ({"kinds": KINDS[:4], "counts": (5,)}, "kinds' must be 5 or more"),
        ({"counts": ()}, "counts' must be"),
    ],
)
def test_worlds_that_cannot_be_laid_out(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowWorld(**given)


def test_a_models_world_is_read_beside_it(tmp_path: Path) -> None:
    assert trained_world(tmp_path) == bundled_world()
    facts = json.loads((starter_path("flow") / "training.json").read_text("utf-8"))
    assert FlowWorld() == bundled_world() and facts["recipe"]["scenes"]["world"]["kinds"] == list(KINDS)
    world = {"kinds": ["ball", "cube", "bowl", "book"], "counts": [2]}
    (tmp_path / "training.json").write_text(json.dumps({"recipe": {"scenes": {"world": world}}}))
    assert trained_world(tmp_path) == FlowWorld(kinds=("ball", "cube", "bowl", "book"), counts=(2,))


def _batches(scenes: FlowScenes, settings: CaptionSettings) -> FlowBatches:
    found = [c for group in captions(scenes, settings) for c in group]
    clip, t5 = clip_tokenizer([c.text for c in found]), t5_tokenizer([c.text for c in found])
    tokens = tokenize_captions(found, clip, t5)
    empty = torch.tensor(clip("", padding="max_length", max_length=77)["input_ids"])
    return FlowBatches(scenes, fit_basis(scenes.images), tokens, pad_id=0, empty=empty)


# ---- captions -----------------------------------------------------------------------------------------


def test_captions_state_training_combinations_only(scenes: FlowScenes) -> None:
    for i in range(len(scenes)):
        scene = scenes.scene(i)
        for mirrored in (False, True):
            pool = caption_pool(
                scene, scenes.statements(i), mirrored=mirrored, held_out_family="aligned_with"
            )
            assert all(statement_split(kinds_of(scene), s) == "train" for s in pool)
            assert all(s.relation != "aligned_with" for s in pool)


def test_the_mirror_image_has_the_mirrored_statements(scenes: FlowScenes) -> None:
    for i in range(len(scenes)):
        true = scenes.statements(i)
        pool = caption_pool(scenes.scene(i), true, mirrored=True, held_out_family="")
        known = set(true)
        for s in pool:
            opposite = {"left_of": "right_of", "right_of": "left_of"}.get(s.relation)
            if opposite:
                assert replace(s, relation=opposite) in known and s not in known


def test_mentions_end_where_the_names_do(scenes: FlowScenes) -> None:
    seen = 0
    for i, group in enumerate(captions(scenes, CaptionSettings(variants=3))):
        assert len(group) == 12
        for caption in group:
            for index, end in caption.mentions:
                kind = scenes.scene(i).objects[index].kind
                assert caption.text[:end].lower().endswith((kind, "it"))
                seen += 1
    assert seen > 3 * SIZE


def test_a_share_of_relations_is_wrong_on_purpose(scenes: FlowScenes) -> None:
    scene = scenes.scene(0)
    pool = [s for s in scenes.statements(0) if s.relation in ("left_of", "right_of")] or [
        Statement("left_of", 0, (1,))
    ]
    right, wrong = (CaptionSettings(wrong=share, names_only=0) for share in (0.0, 1.0))
    told = draw_caption(scene, pool, right, Random(3))
    lied = draw_caption(scene, pool, wrong, Random(3))
    assert told is not None and lied is not None and told.text != lied.text
    swapped = told.text.replace("left", "_").replace("right", "left").replace("_", "right")
    assert lied.text == swapped


def test_what_is_wrong_on_purpose_is_of_training_combinations_too(scenes: FlowScenes) -> None:
    # Otherwise what tests ask for would be stated in training, of pictures alone that show the contrary.
    seen = 0
    for caption in (c for group in captions(scenes, CaptionSettings(wrong=1.0, names_only=0)) for c in group):
        graph = parse_prompt(caption.text)
        for relation in graph.relations:
            places = [place for place in relation.objects if place != PICTURE]
            kinds = [graph.entities[i].name for i in (relation.subject, *places)]
            if not set(kinds) <= set(OBJECT_KINDS):
                continue
            subject, *others = kinds
            assert split_of(subject, relation.relation, "+".join(sorted(others)) or "picture") == "train"
            seen += 1
    assert seen > SIZE


def test_a_place_in_the_picture_has_a_contrary(scenes: FlowScenes) -> None:
    settings = CaptionSettings(wrong_places=1.0, names_only=0)
    lied = draw_caption(scenes.scene(0), [Statement("picture_left", 0, ())], settings, Random(1))
    assert lied is not None and "right" in lied.text and "left" not in lied.text


def test_what_names_more_is_drawn_more_often(recipe: FlowRecipe, scenes: FlowScenes) -> None:
    batches = _batches(scenes, recipe.captions)
    batch = batches.make(np.random.default_rng(0), 2000, longest=64, drop=0.0, padding=0)
    drawn = np.bincount(batch.mention_at[:, 0].numpy(), minlength=2000).mean()
    assert drawn > 1.1 * (batches.tokens.mention_tokens >= 0).sum(1).mean()


def test_nothing_is_said_of_nothing(scenes: FlowScenes) -> None:
    assert draw_caption(scenes.scene(0), [], CaptionSettings(), Random(0)) is None
    assert name_things(scenes.scene(0), Random(0)).text.startswith(("a ", "an "))


def test_nothing_is_put_under_the_floor(scenes: FlowScenes) -> None:
    pool = [Statement("on", 0, (FLOOR,))]
    lied = draw_caption(scenes.scene(0), pool, CaptionSettings(wrong=1.0, names_only=0), Random(1))
    assert lied is not None and "under" not in lied.text and "beneath" not in lied.text


def test_both_tokenizers_take_words_and_anything_else(scenes: FlowScenes) -> None:
    found = [c for group in captions(scenes, CaptionSettings()) for c in group]
    texts = [c.text for c in found]
    clip, t5 = clip_tokenizer(texts), t5_tokenizer(texts)
    assert len(clip.tokenize("a red")) == 2 and len(t5.tokenize("a red")) == 2
    assert t5.unk_token_id not in t5("Qwertz, 42!")["input_ids"]
    tokens = tokenize_captions(found, clip, t5)
    for row, caption in enumerate(found):
        for token, (index, end) in zip(tokens.mention_tokens[row], caption.mentions, strict=False):
            word = caption.text[:end].split()[-1]
            assert t5.convert_ids_to_tokens(int(tokens.t5[row, token])).strip("\u2581") == word
            assert index in tokens.mention_objects[row]


# ---- latents ------------------------------------------------------------------------------------------


def test_latents_mirror_with_the_picture(scenes: FlowScenes) -> None:
    basis, index = fit_basis(scenes.images), np.arange(4)
    pixels = as_pixels(scenes.images[:4])
    components = basis.encode(pixels)
    assert 0.8 < float(basis.encode(as_pixels(scenes.images)).std()) < 1.2
    code = LatentCode(basis)
    plain = code.latents(scenes, index, np.zeros(4, dtype=bool), components)
    mirrored = code.latents(scenes, index, np.ones(4, dtype=bool), components)
    torch.testing.assert_close(basis.encode(pixels.flip(-1)), mirrored[:, :8], atol=1e-4, rtol=0)
    # Kind and size of a cell stay, the way to the middle turns around.
    turned = torch.tensor([1.0, 1, 1, 1, -1, 1, 1, 1])[:, None, None]
    torch.testing.assert_close(plain[:, 8:].flip(-1), mirrored[:, 8:] * turned)


def test_every_cell_of_a_thing_knows_its_kind_and_box(scenes: FlowScenes) -> None:
    code, names = kind_codes(), list(OBJECT_KINDS)
    index = np.arange(len(scenes))
    shown = LatentCode(fit_basis(scenes.images)).objects(scenes, index, np.zeros(SIZE, dtype=bool))
    seen = 0
    for scene in range(SIZE):
        for thing in np.flatnonzero(scenes.is_thing[scene]):
            x0, y0, x1, y1 = scenes.boxes[scene, thing]
            for row, column in np.argwhere(scenes.patches[scene] == thing):
                cell = shown[scene, :, row, column]
                assert torch.equal(cell[:4], code[scenes.kinds[scene, thing]])
                way = cell[4:6].numpy() / 10
                middle = (way[0] + (column + 0.5) / 16, way[1] + (row + 0.5) / 16)
                assert middle == pytest.approx(((x0 + x1) / 2, (y0 + y1) / 2), abs=1e-5)
                assert (cell[6:] / 4).tolist() == pytest.approx([x1 - x0, y1 - y0], abs=1e-5)
                seen += 1
        assert not shown[scene, :, scenes.patches[scene] < 0].any()
    assert seen > 10 * SIZE
    drawn = code[[names.index(kind) for kind in KINDS]]
    apart = torch.cdist(drawn, drawn) + 9 * torch.eye(len(KINDS))
    assert float(apart.min()) > 2.4 and not code[-1].any()


# ---- autoencoder --------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["decoder", "encoder"])
def test_a_half_goes_on_exactly(half: train_vae.Half, scenes: FlowScenes, tmp_path: Path) -> None:
    settings = VaeSettings(
        steps=3, batch_size=1, crop=32, encoder_steps=3, encoder_batch_size=1, save_every=2
    )
    basis = fit_basis(scenes.images)
    whole = train_half(settings, basis, scenes, half, tmp_path / "a")
    (tmp_path / "b").mkdir()
    trainer = HalfTrainer(settings, basis, half)
    for step, batch in zip(range(2), half_batches(scenes, basis, settings, half, 0), strict=False):
        trainer.step(*batch, step)
    # As a kill after a save would leave it.
    trainer.resumable.save(tmp_path / "b" / f"{half}-state.safetensors", 2)
    resumed = train_half(settings, basis, scenes, half, tmp_path / "b")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    with pytest.raises(ValueError, match="made with other settings"):
        train_half(replace(settings, lr=1.0), basis, scenes, half, tmp_path / "a")


def test_the_decoder_begins_smooth_and_learns(scenes: FlowScenes, tmp_path: Path) -> None:
    settings = VaeSettings(steps=80, batch_size=4, crop=32, whole_from=1.0, ema=0.9)
    basis, vae = fit_basis(scenes.images), new_vae(fit_basis(scenes.images))
    before = reconstruction_psnr(vae, basis, scenes)
    vae.decoder.load_state_dict(train_half(settings, basis, scenes, "decoder", tmp_path))
    assert before > 17
    assert reconstruction_psnr(vae, basis, scenes) > before + 0.5


def test_the_encoder_begins_with_the_pixels_and_learns_what_is_shown(
    scenes: FlowScenes, tmp_path: Path
) -> None:
    basis, index = fit_basis(scenes.images), np.arange(SIZE)
    pixels, vae = as_pixels(scenes.images), new_vae(fit_basis(scenes.images))
    latents = LatentCode(basis).latents(scenes, index, np.zeros(SIZE, dtype=bool), basis.encode(pixels))
    with torch.no_grad():
        torch.testing.assert_close(vae.encoder(pixels[:3])[:, :8], latents[:3, :8], atol=1e-4, rtol=0)
        _, before = encoder_loss(vae, latents, pixels)
    settings = VaeSettings(encoder_steps=40, encoder_batch_size=1, ema=0.9)
    vae.encoder.load_state_dict(train_half(settings, basis, scenes, "encoder", tmp_path))
    with torch.no_grad():
        _, after = encoder_loss(vae, latents, pixels)
    assert after["objects"] < 0.9 * before["objects"]


# ---- training -----------------------------------------------------------------------------------------


def test_packing_is_that_of_the_pipeline() -> None:
    latents = torch.randn(2, 16, 16, 16)
    packed = pack_latents(latents)
    torch.testing.assert_close(packed, FluxPipeline._pack_latents(latents, 2, 16, 16, 16))


def test_noise_levels_lie_high() -> None:
    sigmas = draw_sigmas(4000, torch.Generator().manual_seed(0), uniform=0.25)
    assert 0 < float(sigmas.min()) and float(sigmas.max()) < 1
    assert 0.6 < float(sigmas.median()) < 0.8


def test_the_rate_starts_anew_with_the_transformer() -> None:
    s = FlowTraining(text_steps=100, steps=1000, warmup=50, cooldown=0.2)
    assert rate_at(60, s) == 1.0
    assert rate_at(100, s) == 1 / 50
    assert rate_at(500, s) == 1.0
    assert rate_at(999, s) == 0.05


def test_padding_varies_and_batches_depend_on_the_step_alone(recipe: FlowRecipe, scenes: FlowScenes) -> None:
    batches = _batches(scenes, recipe.captions)
    arguments = {"seed": 0, "steps": 40, "size": 8, "text_size": 8, "text_steps": 0, "wrong_from": 20}
    drawn = list(training_batches(batches, first=0, **arguments))
    assert len({batch.t5.shape[1] for batch in drawn}) > 4
    later = next(iter(training_batches(batches, first=7, **arguments)))
    assert torch.equal(later.t5, drawn[7].t5) and torch.equal(later.latents, drawn[7].latents)
    for batch in drawn:
        assert float(batch.mention_box.min()) > -0.3 and float(batch.mention_box.max()) < 1.3


def test_wrong_relations_come_when_the_right_ones_are_known(recipe: FlowRecipe, scenes: FlowScenes) -> None:
    batches = _batches(scenes, replace(recipe.captions, wrong=0.5))
    honest = batches.tokens.honest
    assert honest.mean() == 0.5
    true = {tuple(ids) for ids in batches.tokens.t5[honest].tolist()}
    rng = np.random.default_rng(0)
    for wrong in (False, True):
        batch = batches.make(rng, 200, longest=64, drop=0.0, padding=64, wrong=wrong)
        assert all(tuple(row[:64]) in true for row in batch.t5.tolist()) is not wrong


def test_each_caption_has_an_honest_twin(scenes: FlowScenes) -> None:
    for wrong in (0.0, 1.0):
        settings = CaptionSettings(wrong=wrong, wrong_places=wrong, names_only=0)
        found = [c for group in captions(scenes, settings) for c in group]
        twins = list(zip(found[::2], found[1::2], strict=True))
        assert all(first.honest and not second.honest for first, second in twins)
        same = [first.text == second.text for first, second in twins]
        assert all(same) if not wrong else np.mean(same) < 0.6


def _trainer(recipe: FlowRecipe, scenes: FlowScenes) -> tuple[FlowTrainer, FlowBatches]:
    found = [c for group in captions(scenes, recipe.captions) for c in group]
    clip, t5 = clip_tokenizer([c.text for c in found]), t5_tokenizer([c.text for c in found])
    trainer = FlowTrainer(recipe, clip, t5)
    batches = FlowBatches(
        scenes,
        fit_basis(scenes.images),
        tokenize_captions(found, clip, t5),
        pad_id=int(t5.pad_token_id),
        empty=trainer.empty_clip(),
    )
    return trainer, batches


def test_wrong_captions_do_not_spoil_the_text_encoders(recipe: FlowRecipe, scenes: FlowScenes) -> None:
    trainer, batches = _trainer(
        replace(recipe, training=replace(recipe.training, text_steps=0, wrong_from=2, warmup=1)), scenes
    )
    rng = np.random.default_rng(0)
    seen: list[tuple[bool, dict[str, float]]] = []

    def encoders() -> list[torch.Tensor]:
        return [p.detach().clone() for part in (trainer.clip, trainer.t5) for p in part.parameters()]

    for step in range(4):
        before = encoders()
        log = trainer.step(batches.make(rng, 4, longest=64, drop=0.0, padding=0, wrong=step >= 2), step)
        seen.append((any(not torch.equal(a, b) for a, b in zip(before, encoders(), strict=True)), log))
    # The third step gives them their averages, and from then on they stay.
    assert [changed for changed, _ in seen] == [True, True, True, False]
    assert ["place" in log for _, log in seen] == [True, True, False, False]
    for name, parameter in trainer.parts.named_parameters():
        if not name.startswith("transformer."):
            torch.testing.assert_close(parameter.detach(), trainer.average[name])


def test_guidance_is_learned_by_every_weight(recipe: FlowRecipe, scenes: FlowScenes) -> None:
    guided = replace(recipe, training=replace(recipe.training, text_steps=0, guide_from=0))
    trainer, batches = _trainer(guided, scenes)
    loss, _ = trainer.losses(batches.make(np.random.default_rng(0), 6, longest=64, drop=0.0, padding=0), 0)
    loss.backward()
    assert [n for n, p in trainer.transformer.named_parameters() if p.grad is None] == []


def test_a_run_goes_on_exactly(finished: FlowRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_flow, "save_sheet", lambda *_: None)
    other = replace(finished, output=str(tmp_path))
    kill = KeyboardInterrupt()
    step = FlowTrainer.step

    def stop_at_third(self: FlowTrainer, batch: object, number: int) -> dict[str, float]:
        if number == 3:
            raise kill
        return step(self, batch, number)  # pyright: ignore

    with monkeypatch.context() as patch:
        patch.setattr(FlowTrainer, "step", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            train_flow.run(other)
    train_flow.run(other)
    for part in (
        "transformer/diffusion_pytorch_model",
        "text_encoder_2/model",
        "vae/diffusion_pytorch_model",
    ):
        ours, theirs = (load_file(Path(r.output, "flow", f"{part}.safetensors")) for r in (other, finished))
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    with pytest.raises(ValueError, match="made with other settings"):
        train_flow.run(replace(other, seed=1))


def test_a_model_goes_on_in_another_world(
    finished: FlowRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_flow, "save_sheet", lambda *_: None)
    first = Path(finished.output, "flow")
    world = FlowWorld(kinds=("ball", "cube", "bowl", "book"), colors=("red", "blue", "black", "green"))
    more = replace(
        finished,
        output=str(tmp_path),
        start=str(first),
        scenes=replace(finished.scenes, world=world),
        training=replace(finished.training, text_steps=0, wrong_from=0, guide_from=0, steps=2),
    )
    train_flow.run(more)
    for part, stays in (
        ("tokenizer_2/tokenizer.json", True),
        ("vae/diffusion_pytorch_model.safetensors", True),
        ("text_encoder/model.safetensors", True),
        ("text_encoder_2/model.safetensors", True),
        ("transformer/diffusion_pytorch_model.safetensors", False),
    ):
        assert (Path(tmp_path, "flow", part).read_bytes() == (first / part).read_bytes()) == stays, part
    facts = json.loads((tmp_path / "flow" / "training.json").read_text("utf-8"))
    assert facts["went_on_from"] == json.loads((first / "training.json").read_text("utf-8"))
    assert trained_world(tmp_path / "flow") == world
    # What latents mean is what it was in the first model's world, however often a model goes on.
    again = read_start(tmp_path / "flow", more.scenes)
    fitted = fit_basis(FlowScenes(finished.scenes, "train").images)
    assert torch.equal(again.basis.weight, fitted.weight)


def test_what_a_model_cannot_go_on_from(finished: FlowRecipe, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="spatial train-starter starter-flow"):
        read_start(tmp_path, finished.scenes)
    with pytest.raises(ValueError, match="'training.wrong_from' must be 0; got 1 and 2"):
        replace(finished, start=str(tmp_path))


def test_plain_diffusers_loads_the_folder(finished: FlowRecipe) -> None:
    folder = Path(finished.output, "flow")
    pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    parts = (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2)
    assert {part.dtype for part in parts} == {torch.float32}
    assert isinstance(pipeline.vae, AutoencoderTiny)
    assert (pipeline.vae.config.scaling_factor, pipeline.vae.config.shift_factor) == (1.0, 0.0)
    arguments = {"height": 128, "width": 128, "num_inference_steps": 2, "output_type": "np"}
    images = pipeline(
        "a red apple left of a blue cup", generator=torch.Generator().manual_seed(0), **arguments
    ).images
    assert images.shape == (1, 128, 128, 3) and np.isfinite(images).all()
    facts = json.loads((folder / "training.json").read_text())
    assert facts["captions"] == SIZE * 8 and len(facts["data_sha256"]) == 64


def test_what_is_trained_on_is_what_the_pipeline_encodes(finished: FlowRecipe, scenes: FlowScenes) -> None:
    pipeline = FluxPipeline.from_pretrained(Path(finished.output, "flow"))
    found = [c for group in captions(scenes, finished.captions) for c in group]
    texts = [c.text for c in found]
    trainer = FlowTrainer(finished, clip_tokenizer(texts), t5_tokenizer(texts))
    assert torch.equal(
        trainer.empty_clip(), torch.tensor(pipeline.tokenizer("", padding="max_length")["input_ids"])
    )
    trainer.t5.load_state_dict(pipeline.text_encoder_2.state_dict())
    trainer.clip.load_state_dict(pipeline.text_encoder.state_dict())
    tokens = tokenize_captions(found, trainer.tokenizer, trainer.tokenizer_2)
    with torch.no_grad():
        text, pooled = trainer.encode(
            torch.from_numpy(tokens.t5[:2].astype(np.int64)),
            torch.from_numpy(tokens.clip[:2, : int(tokens.clip_lengths[:2].max())].astype(np.int64)),
        )
        theirs, their_pooled, _ = pipeline.encode_prompt(texts[:2], max_sequence_length=tokens.t5.shape[1])
    torch.testing.assert_close(text, theirs)
    torch.testing.assert_close(pooled, their_pooled, atol=1e-5, rtol=1e-5)


def test_the_schedule_is_the_same_for_every_size() -> None:
    scheduler = new_scheduler()
    scheduler.set_timesteps(sigmas=[1.0, 0.5], mu=1.15)
    shift = float(np.exp(1.15))
    assert float(scheduler.sigmas[1]) == pytest.approx(shift * 0.5 / (1 + (shift - 1) * 0.5), abs=1e-4)
    assert scheduler.config.base_shift == scheduler.config.max_shift == 1.15


def test_a_sheet_is_drawn(finished: FlowRecipe, tmp_path: Path) -> None:
    pipeline = FluxPipeline.from_pretrained(Path(finished.output, "flow"))
    save_sheet(pipeline, tmp_path / "sheet.png", steps=1)
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_the_recipe_that_comes_with_the_package_is_valid() -> None:
    for name in ("starter-flow", "starter-flow-more"):
        assert load_recipe(name, FlowRecipe).captions.held_out_family == "aligned_with"


def test_a_misspelt_key_is_named() -> None:
    with pytest.raises(ValueError, match="training.steps"):
        load_recipe("starter-flow", FlowRecipe, overrides=["training.stepz=3"])
