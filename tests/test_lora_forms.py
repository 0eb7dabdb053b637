"""LoRA files of five forms, rank never alpha, against the model in memory; and every file that is none."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from lora_cast import FORMS, MODELS, Trained, output, pipeline, rewrite, train, write_form
from packaging.version import Version
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spatial_core import cli
from spatial_core.lora import LoraCard, check_fit, fold_lora, parse_lora, read_base, read_lora, save_lora
from spatial_core.lora.layers import LoraLayer
from spatial_core.lora.names import convert_layer, dotted
from spatial_core.pipeline import SpatialDiffusionPipeline

CARD = LoraCard(
    base="black-forest-labs/FLUX.1-dev",
    base_class="FluxTransformer2DModel",
    reward="spatial-score",
    recipe={"group_size": 24},
    steps=120,
    measured={"before": 0.31, "after": 0.52, "prompts": 300},
    recommended={"strength": 1.0, "guidance_scale": 3.5},
    licence="Apache-2.0",
)


@pytest.fixture(scope="module", params=list(MODELS))
def trained(request: pytest.FixtureRequest) -> Trained:
    return train(request.param)


@pytest.fixture(scope="module")
def flux() -> Trained:
    return train("flux")


@pytest.fixture
def peft_folder(flux: Trained, tmp_path: Path) -> Path:
    return write_form(flux, "peft folder", tmp_path / "peft")


def metadata_of(file: Path) -> dict[str, str]:
    with safe_open(file, framework="pt") as reader:
        return reader.metadata()


def close(model: nn.Module, trained: Trained) -> None:
    expected = output(trained.peft, trained.name)
    assert (expected - output(trained.base, trained.name)).abs().max() > 0.5
    torch.testing.assert_close(output(model, trained.name), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_acts_as_the_model_in_memory(trained: Trained, form: str, tmp_path: Path) -> None:
    lora = read_lora(write_form(trained, form, tmp_path / "in"))
    assert lora.form == form.split()[0] and len(lora.layers) == len(trained.paths)
    assert lora.ranks == (2, 3, 4)
    folded = trained.fresh()
    fold_lora(folded, lora)
    close(folded, trained)
    written = save_lora(lora, tmp_path / "out.safetensors", card=CARD)
    plain = pipeline(trained)
    plain.load_lora_weights(str(written))
    close(plain.transformer, trained)
    again = read_lora(written)
    assert (again.form, again.scales, again.card) == ("diffusers", (1.0,), CARD)
    folded = trained.fresh()
    fold_lora(folded, again)
    close(folded, trained)


def test_our_pipeline_loads_it_with_its_strength(trained: Trained, tmp_path: Path) -> None:
    ours = SpatialDiffusionPipeline.from_pipe(pipeline(trained))
    ours.load_lora(write_form(trained, "kohya", tmp_path))
    close(ours.transformer, trained)
    ours.unload_lora_weights()
    ours.load_lora(write_form(trained, "kohya", tmp_path), strength=0.0)
    torch.testing.assert_close(output(ours.transformer, trained.name), output(trained.base, trained.name))


@pytest.mark.skipif(
    Version(diffusers.__version__) < Version("0.40"), reason="diffusers takes one layer's strength for all"
)
def test_a_state_dict_is_loaded_as_the_file_is(trained: Trained, tmp_path: Path) -> None:
    plain = pipeline(trained)
    plain.load_lora_weights(read_lora(write_form(trained, "kohya", tmp_path)).state_dict())
    close(plain.transformer, trained)


def test_an_adapter_in_memory_is_exported_without_a_file(flux: Trained, tmp_path: Path) -> None:
    state, config = get_peft_model_state_dict(flux.peft), flux.peft.peft_config["default"].to_dict()
    file = save_lora(parse_lora(state, config=config), tmp_path / "folder", card=CARD, dtype=torch.bfloat16)
    assert file.name == "pytorch_lora_weights.safetensors"
    assert {value.dtype for value in load_file(file).values()} == {torch.bfloat16}
    metadata = metadata_of(file)
    assert json.loads(metadata["spatial_card"])["schema"] == 1
    assert metadata["modelspec.architecture"] == "flux-1-dev/lora"
    assert metadata["ss_base_model_version"] == "flux1"
    adapter = json.loads(metadata["lora_adapter_metadata"])
    assert adapter["transformer.lora_alpha"] == adapter["transformer.r"] == 4
    assert adapter["transformer.rank_pattern"] == adapter["transformer.alpha_pattern"]
    half = flux.fresh()
    fold_lora(half, read_lora(file), strength=0.5)
    weight = "transformer_blocks.0.attn.to_k.weight"
    delta = half.state_dict()[weight] - flux.base.state_dict()[weight]
    whole = flux.merged().state_dict()[weight] - flux.base.state_dict()[weight]
    torch.testing.assert_close(delta, whole / 2, atol=2e-3, rtol=0)


def test_rank_stabilised_lora_has_its_own_scale(tmp_path: Path) -> None:
    trained = train("flux", use_rslora=True, rank_pattern={}, alpha_pattern={})
    lora = read_lora(write_form(trained, "peft folder", tmp_path))
    assert lora.scales == (6.0,)
    folded = trained.fresh()
    fold_lora(folded, lora)
    close(folded, trained)


def test_a_name_at_the_top_reaches_no_layer_within(tmp_path: Path) -> None:
    """FLUX has `proj_out` at its end and in every single block; peft matches ends of names."""
    trained = train("flux", target_modules=r"proj_out|x_embedder", alpha_pattern={"proj_out": 9})
    file = save_lora(read_lora(write_form(trained, "peft", tmp_path / "in")), tmp_path / "out.safetensors")
    plain = pipeline(trained)
    plain.load_lora_weights(str(file))
    adapted = {
        name.split(".lora_A")[0] for name, _ in plain.transformer.named_parameters() if "lora_A" in name
    }
    assert adapted == {"proj_out", "x_embedder"}
    torch.testing.assert_close(
        output(plain.transformer, "flux"), output(trained.peft, "flux"), atol=1e-5, rtol=0
    )


def test_a_file_that_says_no_alpha_is_loaded_at_its_own_strength(flux: Trained, tmp_path: Path) -> None:
    """Diffusers' and kohya's own rule: alpha is the rank. PEFT has none, so alpha must be given."""
    state = {f"transformer.{key}": value for key, value in flux.weights.items()}
    assert parse_lora(state).scales == (1.0,)
    bare = {f"base_model.model.{key}": value for key, value in flux.weights.items()}
    save_file(bare, tmp_path / "lora.safetensors")
    with pytest.raises(ValueError, match=r"must come with its alpha.*adapter_config\.json"):
        read_lora(tmp_path / "lora.safetensors")
    assert read_lora(tmp_path / "lora.safetensors", alpha=12).scales == (3.0, 4.0, 6.0)


@pytest.mark.parametrize("dense", [True, False])
def test_fused_projections_are_split_exactly(dense: bool) -> None:
    torch.manual_seed(0)
    down, up = torch.randn(6, 8), torch.randn(40, 6)
    if not dense:
        up = torch.block_diag(*up[:, :2].split([8, 16, 16])) * 1.0
    layers = convert_layer("single_blocks_3_linear1", LoraLayer(down, up, 0.5))
    assert layers is not None
    names = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]
    assert list(layers) == [f"single_transformer_blocks.3.{name}" for name in names]
    torch.testing.assert_close(torch.cat([part.up @ part.down for part in layers.values()]), up @ down)
    assert [part.up.shape[0] for part in layers.values()] == [8, 8, 8, 16]
    assert {part.scale for part in layers.values()} == {0.5}
    assert max(part.rank for part in layers.values()) == (6 if dense else 2)


@pytest.mark.parametrize(
    ("kohya", "diffusers"),
    [
        ("transformer_blocks_0_attn_to_out_0", "transformer_blocks.0.attn.to_out.0"),
        (
            "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
        ),
        ("mid_block_attentions_0_proj_in", "mid_block.attentions.0.proj_in"),
        (
            "input_blocks_4_1_transformer_blocks_1_ff_net_0_proj",
            "down_blocks.1.attentions.0.transformer_blocks.1.ff.net.0.proj",
        ),
        ("input_blocks_8_0_in_layers_2", "down_blocks.2.resnets.1.conv1"),
        ("input_blocks_3_0_op", "down_blocks.0.downsamplers.0.conv"),
        (
            "middle_block_1_transformer_blocks_9_attn2_to_out_0",
            "mid_block.attentions.0.transformer_blocks.9.attn2.to_out.0",
        ),
        ("middle_block_2_emb_layers_1", "mid_block.resnets.1.time_emb_proj"),
        ("output_blocks_5_1_proj_out", "up_blocks.1.attentions.2.proj_out"),
        ("output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
        ("output_blocks_7_0_skip_connection", "up_blocks.2.resnets.1.conv_shortcut"),
        ("text_model_encoder_layers_3_self_attn_q_proj", "text_model.encoder.layers.3.self_attn.q_proj"),
    ],
)
def test_underscored_names_become_paths(kohya: str, diffusers: str) -> None:
    assert dotted(kohya) == diffusers


@torch.no_grad()
def test_a_unet_is_written_under_the_names_that_both_hosts_know(tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
        layers_per_block=1,
        norm_num_groups=8,
    ).eval()
    targets = (
        r".*(to_q|to_out\.0|proj_in|ff\.net\.0\.proj|conv1|time_emb_proj|conv_shortcut|samplers\.0\.conv)"
    )
    peft = get_peft_model(copy.deepcopy(base), LoraConfig(r=4, lora_alpha=12, target_modules=targets)).eval()
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter, std=0.05)

    def answer(unet: nn.Module) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        noise, text = torch.randn(1, 4, 8, 8, generator=generator), torch.randn(1, 5, 16, generator=generator)
        return unet(noise, torch.tensor([10]), text).sample

    config = peft.peft_config["default"].to_dict()
    lora = parse_lora(get_peft_model_state_dict(peft), config=config)
    file = save_lora(lora, tmp_path / "unet.safetensors")
    assert all(key.startswith("lora_unet_") for key in load_file(file))
    assert read_lora(file).layers.keys() == lora.layers.keys()
    assert (answer(peft) - answer(base)).abs().max() > 0.1
    folded = copy.deepcopy(base)
    fold_lora(folded, read_lora(file))
    torch.testing.assert_close(answer(folded), answer(peft), atol=1e-5, rtol=0)
    plain = StableDiffusionPipeline(
        **dict.fromkeys(("vae", "text_encoder", "tokenizer", "safety_checker", "feature_extractor")),
        unet=copy.deepcopy(base),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        requires_safety_checker=False,
    )
    plain.load_lora_weights(str(file))
    torch.testing.assert_close(answer(plain.unet), answer(peft), atol=1e-5, rtol=0)


# What does not fit


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    for name, make in MODELS.items():
        make().save_pretrained(root / name / "transformer")
    return {name: root / name for name in MODELS}


def test_a_base_is_checked_by_names_and_shapes(flux: Trained, bases: dict[str, Path], tmp_path: Path) -> None:
    lora = read_lora(write_form(flux, "kohya", tmp_path))
    base = read_base(bases["flux"])
    assert (base.name, base.base_class) == ("flux", "FluxTransformer2DModel")
    assert read_base(bases["flux"] / "transformer").shapes == base.shapes
    fit = check_fit(lora, base.shapes)
    assert fit.complete and fit.explain() == "27/27 weights fit"
    wrong = check_fit(lora, read_base(bases["sd3"]).shapes)
    assert not wrong.complete and len(wrong.missing) == 27 - wrong.matched
    assert "weights fit: the base has no 'transformer." in wrong.explain()
    wider = {key: (2 * shape[0], *shape[1:]) for key, shape in base.shapes.items()}
    other = check_fit(lora, wider)
    assert other.matched == 0 and len(other.misshapen) == 27
    assert "128x128, the base's weight 256x128. It was trained for another base." in other.explain()
    partly = check_fit(lora, {key: shape for key, shape in base.shapes.items() if "single" not in key})
    assert "and only a part of it would act" in partly.explain()


def test_a_lora_of_another_base_changes_nothing(flux: Trained, tmp_path: Path) -> None:
    model = MODELS["sd3"]()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="Load it on the model it was trained for"):
        fold_lora(model, read_lora(write_form(flux, "diffusers", tmp_path)))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_no_base_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="A base is a folder with a transformer or unet"):
        read_base(tmp_path)


@pytest.mark.parametrize("name", ["lora.bin", "lora.pt", "lora.ckpt"])
def test_a_pickle_is_refused_unopened(name: str, tmp_path: Path) -> None:
    torch.save({"a.lora_A.weight": torch.ones(2, 2)}, tmp_path / name)
    with pytest.raises(ValueError, match=r"is a pickle.*Ask for the safetensors file"):
        read_lora(tmp_path / name)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ValueError, match="is a pickle"):
        read_lora(tmp_path)


def test_a_missing_file_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none\.safetensors"):
        read_lora(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match="holds 0 safetensors files"):
        read_lora(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 100, -10])
def test_a_damaged_file(keep: int, flux: Trained, tmp_path: Path) -> None:
    file = write_form(flux, "alpha", tmp_path)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_lora(file)


def test_a_peft_folder_without_or_with_a_wrong_config(peft_folder: Path) -> None:
    config = peft_folder / "adapter_config.json"
    other = rewrite(config, config.with_name("other.json"), r=8, rank_pattern={})
    for changes, message in (
        ({"use_dora": True}, "this is DoRA"),
        ({"peft_type": "IA3"}, "must be of type LORA"),
        ({"init_lora_weights": "pissa"}, "changes the base's own weights"),
    ):
        original = config.read_text()
        rewrite(config, config, **changes)
        with pytest.raises(ValueError, match=message):
            read_lora(peft_folder)
        config.write_text(original)
    other.replace(config)
    with pytest.raises(ValueError, match="It belongs to another file"):
        read_lora(peft_folder)
    config.write_text("{")
    with pytest.raises(ValueError, match="not readable JSON"):
        read_lora(peft_folder)
    config.unlink()
    with pytest.raises(ValueError, match=r"must hold adapter_config\.json"):
        read_lora(peft_folder)
    assert read_lora(peft_folder, alpha=12).scales == (3.0, 4.0, 6.0)


def test_alpha_is_not_given_twice(peft_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"says its alpha itself \(in adapter_config\.json\)"):
        read_lora(peft_folder, alpha=4)


def half(name: str, rank: int = 2) -> dict[str, Tensor]:
    return {f"{name}.lora_A.weight": torch.ones(rank, 4), f"{name}.lora_B.weight": torch.ones(4, rank)}


QKV = "lora_unet_double_blocks_0_img_attn_qkv"


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "here is nothing"),
        (
            {"model.weight": torch.ones(2, 2)},
            r"here is for example 'model\.weight'. It is another kind of file",
        ),
        (half("transformer.a") | {"transformer.a.lora_magnitude_vector": torch.ones(4)}, "this is DoRA"),
        (
            half("lora_unet_mid_block_proj_in") | {"lora_unet_mid_block_proj_in.dora_scale": torch.ones(4)},
            "DoRA",
        ),
        ({"lora_unet_x.lokr_w1": torch.ones(2, 2), "lora_unet_x.alpha": torch.tensor(1.0)}, "this is LoKr"),
        ({"lora_unet_x.hada_w1_a": torch.ones(2, 2)}, "this is LoHa"),
        (half("transformer.a") | {"transformer.norm.diff": torch.ones(2)}, "difference of full weights"),
        (half("transformer.a") | {"transformer.a.lora_B.bias": torch.ones(4)}, "LoRA with biases"),
        (half("transformer.a") | {"transformer.norm.scale": torch.ones(4)}, "leaving it out would change"),
        ({"transformer.a.lora_A.weight": torch.ones(2, 4)}, "only a part of its weights"),
        (half("transformer.a") | {"transformer.b.alpha": torch.tensor(2.0)}, "only a part of its weights"),
        (half("transformer.a") | {"transformer.a.lora_B.weight": torch.ones(4, 3)}, "ranks 2 and 3"),
        (half("transformer.a") | {"transformer.a.lora_B.weight": torch.full((4, 2), torch.nan)}, "NaN"),
        (half("lycoris_double_blocks_0"), "no name that diffusers, PEFT, kohya"),
        (half("transformer.a") | half("a"), "is changed twice"),
        (half("transformer.a") | {"transformer.a.lora_A.old.weight": torch.ones(2, 4)}, "a second adapter"),
        (
            {f"{QKV}.lora_down.weight": torch.ones(2, 4), f"{QKV}.lora_up.weight": torch.ones(8, 2)},
            "neither FLUX",
        ),
    ],
)
def test_what_is_no_plain_lora_is_refused(tensors: dict[str, Tensor], message: str, tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "lora.safetensors")
    with pytest.raises(ValueError, match=message) as raised:
        read_lora(tmp_path / "lora.safetensors")
    assert "lora.safetensors" in str(raised.value)


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("spatial_card", "{", "training card in the file's metadata is damaged"),
        ("spatial_card", "[1]", "training card in the file's metadata is damaged"),
        ("lora_adapter_metadata", "nonsense", "lora_adapter_metadata is damaged"),
    ],
)
def test_damaged_metadata(key: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_lora(half("transformer.a"), metadata={key: text})


def test_a_card_of_a_newer_schema_is_told_of() -> None:
    newer = json.dumps({"schema": 9, "base": {"new": "form"}})
    lora = parse_lora(half("transformer.a"), metadata={"spatial_card": newer})
    assert lora.card is not None and "update spatial-diffusion" in lora.card.notes and not lora.base


def test_what_others_wrote_into_the_header_is_kept_unless_it_became_false(tmp_path: Path) -> None:
    before = {"ss_tag_frequency": "{}", "ss_network_alpha": "1", "modelspec.title": "Tidy rooms"}
    file = save_lora(parse_lora(half("transformer.a"), metadata=before), tmp_path / "a.safetensors")
    after = metadata_of(file)
    assert after["ss_tag_frequency"] == "{}" and after["modelspec.title"] == "Tidy rooms"
    assert "ss_network_alpha" not in after and "spatial_card" not in after


# The command


def spatial(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_inspect_tells_form_scale_base_and_card(
    flux: Trained, bases: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_form(flux, "peft folder", tmp_path / "peft")
    code, out, _ = spatial(capsys, "lora", "inspect", folder, "--base", bases["flux"])
    assert code == 0
    assert "PEFT; alpha from adapter_config.json" in out and "27 of transformer" in out
    assert "0.5, 1.5, 2.5, 3, 4" in out and "27/27 weights fit" in out
    code, out, _ = spatial(capsys, "lora", "inspect", folder, "--base", bases["sd3"])
    assert code == 2 and "weights fit: the base has no" in out
    file = save_lora(read_lora(folder), tmp_path / "out.safetensors", card=CARD)
    code, out, _ = spatial(capsys, "lora", "inspect", file)
    assert code == 0 and "for black-forest-labs/FLUX.1-dev" in out
    assert "measured: before 0.31, after 0.52, prompts 300" in out
    code, out, _ = spatial(capsys, "lora", "inspect", file, "--json", "--base", bases["flux"])
    facts = json.loads(out)
    assert facts["card"]["steps"] == 120 and facts["scales"] == [1.0] and facts["fit"]["matched"] == 27


def test_convert_writes_what_it_read_folded(
    flux: Trained, bases: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_form(flux, "kohya", tmp_path / "kohya")
    target = tmp_path / "new" / "lora.safetensors"
    target.parent.mkdir()
    words = ("lora", "convert", source, target, "--base", bases["flux"], "--dtype", "float16")
    code, out, err = spatial(capsys, *words, "--title", "Tidy rooms")
    assert (code, err) == (0, "") and "27 weights, scale 2 folded in" in out
    assert {value.dtype for value in load_file(target).values()} == {torch.float16}
    metadata = metadata_of(target)
    assert metadata["modelspec.architecture"] == "flux-1-dev/lora"
    assert metadata["modelspec.title"] == "Tidy rooms"
    before = target.read_bytes()
    code, _, err = spatial(capsys, "lora", "convert", source, target, "--base", bases["sd3"])
    assert code == 2 and err.startswith("spatial: error: ") and err.count("\n") == 1
    assert target.read_bytes() == before
    code, _, err = spatial(capsys, "lora", "inspect", tmp_path / "none.safetensors")
    assert code == 2 and "There is no file" in err


def test_reading_and_folding_load_neither_peft_nor_diffusers() -> None:
    script = (
        "import sys, torch\nfrom spatial_core.lora import fold_lora, parse_lora\n"
        "state = {f'transformer.a.lora_{half}.weight': torch.ones(4, 4) for half in 'AB'}\n"
        "fold_lora(torch.nn.ModuleDict({'a': torch.nn.Linear(4, 4)}), parse_lora(state))\n"
        "print([name for name in ('peft', 'diffusers', 'transformers', 'accelerate') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
