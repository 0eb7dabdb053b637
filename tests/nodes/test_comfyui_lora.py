"""LoRA files in ComfyUI against diffusers, for denoisers whose ranks and alphas all differ."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from comfy_server import ComfyServer, node, said
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from spatial_core.starter import starter_path

pytestmark = pytest.mark.comfyui
pytest.importorskip("peft")

from lora_cast import FORMS, TARGETS, Trained, train, write_form  # noqa: E402  (needs peft)

NO_SWAP = TARGETS["flux"].replace("|norm_out\\.linear", "")


def inputs(*, width: int = 64, pooled_width: int = 32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "x": torch.randn(1, 16, 8, 8, generator=generator),
        "text": torch.randn(1, 5, width, generator=generator),
        "pooled": torch.randn(1, pooled_width, generator=generator),
    }


@torch.no_grad()
def denoised(model: Any, name: str, given: dict[str, Tensor] | None = None) -> Tensor:
    """Return what diffusers predicts as the clean latent at sigma .5."""
    given = given or inputs()
    if name == "sd3":
        velocity = model(given["x"], given["text"], given["pooled"], torch.tensor([500.0])).sample
        return given["x"] - 0.5 * velocity
    blocks = given["x"].view(1, 16, 4, 2, 4, 2).permute(0, 2, 4, 1, 3, 5).reshape(1, 16, 64)
    velocity = model(
        hidden_states=blocks,
        encoder_hidden_states=given["text"],
        pooled_projections=given["pooled"],
        timestep=torch.tensor([0.5]),
        guidance=torch.tensor([3.5]),
        img_ids=torch.cartesian_prod(torch.zeros(1), torch.arange(4.0), torch.arange(4.0)),
        txt_ids=torch.zeros(5, 3),
    ).sample
    velocity = velocity.view(1, 4, 4, 16, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(1, 16, 8, 8)
    return given["x"] - 0.5 * velocity


@pytest.fixture(scope="module")
def cast(server: ComfyServer) -> dict[str, Trained]:
    """Denoisers and their LoRA files in every form, where ComfyUI looks for them."""
    models = server.base / "models"
    (models / "diffusion_models").mkdir(exist_ok=True)
    cast = {
        "flux": train("flux"),
        "sd3": train("sd3"),
        "flux-no-swap": train("flux", target_modules=NO_SWAP, alpha_pattern={}),
    }
    for key, trained in cast.items():
        save_file(trained.base.state_dict(), models / "diffusion_models" / f"{key}.safetensors")
        save_file(inputs(), server.base / f"{key}-inputs.safetensors")
        for form in FORMS:
            write_form(trained, form, models / "loras" / key / form.replace(" ", "-"))
    return cast


def file_of(server: ComfyServer, key: str, form: str) -> str:
    folder = server.base / "models" / "loras" / key / form.replace(" ", "-")
    (file,) = folder.glob("*.safetensors")
    return os.path.join(key, folder.name, file.name)


def graph(server: ComfyServer, key: str, lora: str, **settings: Any) -> dict[str, Any]:
    given = {"strength": 1.0, "start": 0.0, "end": 1.0, "bypass": False} | settings
    return {
        "model": node("UNETLoader", unet_name=f"{key}.safetensors", weight_dtype="default"),
        "lora": node("SpatialLoraLoader", model=["model", 0], lora=lora, **given),
        "out": node(
            "SpatialTestDenoise",
            model=["lora", 0],
            inputs=str(server.base / f"{key}-inputs.safetensors"),
            output=str(server.base / "out.safetensors"),
        ),
        "report": node("PreviewAny", source=["lora", 1]),
        "card": node("PreviewAny", source=["lora", 2]),
    }


def result(server: ComfyServer, key: str, lora: str, **settings: Any) -> tuple[Tensor, str]:
    out = server.base / "out.safetensors"
    out.unlink(missing_ok=True)
    run = server.run(graph(server, key, lora, **settings))
    assert run.status == "success", said(run)
    return load_file(out)["x0"], run.outputs["report"]["text"][0]


def test_the_starter_loads_natively(server: ComfyServer) -> None:
    """The core loader reads the bundled transformer as it is, and predicts what diffusers does."""
    folder = starter_path("flow") / "transformer"
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    models = server.base / "models" / "diffusion_models"
    models.mkdir(exist_ok=True)
    # In single precision, so that nothing but the naming is compared.
    save_file({name: value.float() for name, value in weights.items()}, models / "starter.safetensors")
    model = FluxTransformer2DModel.from_pretrained(folder, torch_dtype=torch.float32)
    given = inputs(width=model.config.joint_attention_dim, pooled_width=model.config.pooled_projection_dim)
    save_file(given, server.base / "starter-inputs.safetensors")
    run = server.run(
        {
            "model": node("UNETLoader", unet_name="starter.safetensors", weight_dtype="default"),
            "out": node(
                "SpatialTestDenoise",
                model=["model", 0],
                inputs=str(server.base / "starter-inputs.safetensors"),
                output=str(server.base / "starter-out.safetensors"),
            ),
        }
    )
    assert run.status == "success", said(run)
    found = load_file(server.base / "starter-out.safetensors")["x0"]
    wanted = denoised(model, "flux", given)
    # Values up to 30: of a run in double precision, single precision itself is 2.3e-5 off.
    assert (found - wanted).abs().max() <= 1e-6 * wanted.abs().max()


@pytest.mark.parametrize("key", ["flux", "sd3"])
def test_every_form_acts_as_in_diffusers(server: ComfyServer, cast: dict[str, Trained], key: str) -> None:
    trained = cast[key]
    wanted, plain = denoised(trained.merged(), trained.name), denoised(trained.fresh(), trained.name)
    assert (wanted - plain).abs().max() > 0.05, "the LoRA must be seen"
    for form in FORMS:
        found, report = result(server, key, file_of(server, key, form))
        assert (found - wanted).abs().max() <= 1e-4, form
        count = len(trained.paths) if form != "kohya" else None
        assert count is None or report.startswith(f"{count}/{count} weights, scale "), report


def test_bypass_acts_as_adding_does(server: ComfyServer, cast: dict[str, Trained]) -> None:
    key = "flux-no-swap"
    lora = file_of(server, key, "peft folder")
    wanted = denoised(cast[key].merged(), "flux")
    assert (result(server, key, lora, bypass=True)[0] - wanted).abs().max() <= 1e-4
    halves = [result(server, key, lora, strength=0.5, bypass=b)[0] for b in (False, True)]
    assert (halves[0] - halves[1]).abs().max() <= 1e-4


def test_the_schedule_switches_it_on_and_off(server: ComfyServer, cast: dict[str, Trained]) -> None:
    # FLUX's schedule reaches sigma .5 after 76 % of its steps.
    key = "flux-no-swap"
    lora = file_of(server, key, "diffusers")
    plain, wanted = denoised(cast[key].fresh(), "flux"), denoised(cast[key].merged(), "flux")
    assert (result(server, key, lora, end=0.5)[0] - plain).abs().max() <= 1e-4
    assert (result(server, key, lora, start=0.5)[0] - wanted).abs().max() <= 1e-4


def test_a_file_exported_again_is_read_again(server: ComfyServer, cast: dict[str, Trained]) -> None:
    key, lora = "flux", file_of(server, "flux", "alpha")
    path = server.base / "models" / "loras" / lora
    before, _ = result(server, key, lora)
    kept = path.read_bytes()
    state = {name: value * 0.5 if "lora_B" in name else value for name, value in load_file(path).items()}
    save_file(state, path)
    try:
        after, _ = result(server, key, lora)
    finally:
        path.write_bytes(kept)
    plain = denoised(cast[key].fresh(), "flux")
    assert (after - before).abs().max() > 1e-3 < (after - plain).abs().max()


def test_what_cannot_be_right_is_refused(server: ComfyServer, cast: dict[str, Trained]) -> None:
    loras = server.base / "models" / "loras"
    (loras / "bad").mkdir(exist_ok=True)
    (loras / "bad" / "broken.safetensors").write_bytes(b"{}")
    folder = Path(write_form(cast["flux"], "peft folder", loras / "bad" / "alone"))
    (folder / "adapter_config.json").unlink()
    cases = [
        ("sd3", file_of(server, "flux", "alpha"), {}, "was trained for another model"),
        ("flux", "bad/broken.safetensors", {}, "not a readable safetensors file"),
        ("flux", "bad/alone/adapter_model.safetensors", {}, "adapter_config.json"),
        ("flux", file_of(server, "flux", "alpha"), {"bypass": True}, "switch bypass off"),
        ("flux", file_of(server, "flux", "alpha"), {"start": 0.5, "end": 0.5}, "must be below end"),
        ("flux", "nowhere.safetensors", {}, "nowhere.safetensors"),
    ]
    for key, lora, settings, words in cases:
        message = said(server.run(graph(server, key, lora, **settings)))
        assert words in message, (words, message)


def test_the_card_is_shown(server: ComfyServer, cast: dict[str, Trained]) -> None:
    from spatial_core.lora import LoraCard, read_lora, save_lora

    path = server.base / "models" / "loras" / file_of(server, "flux", "alpha")
    card = LoraCard(base="Tiny FLUX", base_class="FluxTransformer2DModel", reward="starter", steps=120)
    save_lora(read_lora(path), server.base / "models" / "loras" / "card.safetensors", card=card)
    run = server.run(graph(server, "flux", "card.safetensors"))
    assert run.status == "success", said(run)
    assert "trained for Tiny FLUX" in run.outputs["report"]["text"][0]
    assert "steps: 120" in run.outputs["card"]["text"][0]
    assert json.dumps(run.outputs["lora"]["spatial_text"]).count("steps: 120") == 1
