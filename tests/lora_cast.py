"""Tiny FLUX and SD3 denoisers with a peft adapter, and the files that five kinds of tools write of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FORMS = ("diffusers", "peft", "peft folder", "kohya", "alpha")


def flux() -> FluxTransformer2DModel:
    """Return a FLUX denoiser of one head; its head is as wide as the real one's, as ComfyUI requires."""
    torch.manual_seed(0)
    return FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=2,
        num_attention_heads=1,
        attention_head_dim=128,
        joint_attention_dim=64,
        pooled_projection_dim=32,
        guidance_embeds=True,
    ).eval()


def sd3() -> SD3Transformer2DModel:
    """Return an SD3 denoiser of two layers."""
    torch.manual_seed(0)
    return SD3Transformer2DModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=64,
        num_attention_heads=2,
        joint_attention_dim=64,
        caption_projection_dim=128,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    ).eval()


MODELS: dict[str, Callable[[], Any]] = {"flux": flux, "sd3": sd3}
_ATTENTION = r"attn\.(to_[qkv]|add_[qkv]_proj|to_add_out|to_out\.0)"
TARGETS = {
    "flux": rf"(single_)?transformer_blocks\.\d\.({_ATTENTION}|proj_mlp|proj_out|norm\.linear|norm1\.linear"
    r"|ff\.net\.0\.proj|ff_context\.net\.2)|x_embedder|norm_out\.linear|proj_out"
    r"|time_text_embed\.guidance_embedder\.linear_1",
    "sd3": rf"transformer_blocks\.\d\.({_ATTENTION}|ff\.net\.2|norm1\.linear|norm1_context\.linear)"
    r"|context_embedder|norm_out\.linear|proj_out",
}


@torch.no_grad()
def output(model: nn.Module, name: str) -> Tensor:
    """Return what the denoiser `name` makes of a fixed input."""
    generator = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    if name == "sd3":
        return model(noise(1, 16, 8, 8), noise(1, 5, 64), noise(1, 32), torch.tensor([500.0])).sample
    return model(
        hidden_states=noise(1, 16, 64),
        encoder_hidden_states=noise(1, 5, 64),
        pooled_projections=noise(1, 32),
        timestep=torch.tensor([0.5]),
        guidance=torch.tensor([3.5]),
        img_ids=torch.cartesian_prod(torch.zeros(1), torch.arange(4.0), torch.arange(4.0)),
        txt_ids=torch.zeros(5, 3),
    ).sample


@dataclass
class Trained:
    """A denoiser with an adapter of mixed ranks and alphas, none of them equal, as after training."""

    name: str
    base: Any
    peft: Any

    @property
    def weights(self) -> dict[str, Tensor]:
        """The adapter's weights by module path."""
        state = get_peft_model_state_dict(self.peft)
        return {key.removeprefix("base_model.model."): value.contiguous() for key, value in state.items()}

    @property
    def paths(self) -> list[str]:
        """Paths of the modules it changes."""
        return sorted({key.split(".lora_")[0] for key in self.weights})

    def scale(self, path: str) -> float:
        """peft's own scale of a module."""
        return self.peft.base_model.model.get_submodule(path).scaling["default"]

    def fresh(self) -> Any:
        """A copy of the denoiser without the adapter."""
        return copy.deepcopy(self.base)

    def merged(self) -> Any:
        """A copy of the denoiser with the adapter merged by peft."""
        return copy.deepcopy(self.peft).merge_and_unload()


def train(name: str, **options: Any) -> Trained:
    """Return the denoiser `name` with an adapter whose weights are random."""
    base = MODELS[name]()
    settings: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 12,
        "target_modules": TARGETS[name],
        "rank_pattern": {"attn.to_q": 3, "^proj_out": 2},
        "alpha_pattern": {"attn.to_k": 2, "^proj_out": 5, "norm_out.linear": 6},
    }
    peft = get_peft_model(copy.deepcopy(base), LoraConfig(**(settings | options))).eval()
    torch.manual_seed(2)
    for key, parameter in peft.named_parameters():
        if "lora_" in key:
            nn.init.normal_(parameter, std=0.08)
    return Trained(name, base, peft)


def write_form(trained: Trained, form: str, folder: Path) -> Path:
    """Write the adapter as the tools that use `form` do, and return the file or folder to read."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "lora.safetensors"
    if form == "diffusers":
        pipeline = FluxPipeline if trained.name == "flux" else StableDiffusion3Pipeline
        model = trained.peft.base_model.model
        model.peft_config = trained.peft.peft_config
        pipeline.save_lora_weights(
            folder, transformer_lora_layers=trained.weights, **_collate_lora_metadata({"transformer": model})
        )
        return folder / "pytorch_lora_weights.safetensors"
    if form == "alpha":
        state = {f"transformer.{key}": value for key, value in trained.weights.items()}
        for path in trained.paths:
            rank = trained.weights[f"{path}.lora_A.weight"].shape[0]
            state[f"transformer.{path}.alpha"] = torch.tensor(trained.scale(path) * rank)
        save_file(state, file)
    elif form == "kohya":
        save_file(kohya(trained), file)
    else:
        trained.peft.save_pretrained(folder)
        if form == "peft folder":
            return folder
        (folder / "adapter_model.safetensors").rename(file)
    return file


# How sd-scripts names what diffusers names so: FLUX.1's and SD3's own modules with "_" for ".".
_ORIGINAL = {
    "flux": {
        "transformer_blocks.0.attn.to_q": "double_blocks_0_img_attn_qkv",
        "transformer_blocks.0.attn.to_k": "double_blocks_0_img_attn_qkv",
        "transformer_blocks.0.attn.to_v": "double_blocks_0_img_attn_qkv",
        "transformer_blocks.0.attn.add_q_proj": "double_blocks_0_txt_attn_qkv",
        "transformer_blocks.0.attn.add_k_proj": "double_blocks_0_txt_attn_qkv",
        "transformer_blocks.0.attn.add_v_proj": "double_blocks_0_txt_attn_qkv",
        "transformer_blocks.0.attn.to_out.0": "double_blocks_0_img_attn_proj",
        "transformer_blocks.0.attn.to_add_out": "double_blocks_0_txt_attn_proj",
        "transformer_blocks.0.ff.net.0.proj": "double_blocks_0_img_mlp_0",
        "transformer_blocks.0.ff_context.net.2": "double_blocks_0_txt_mlp_2",
        "transformer_blocks.0.norm1.linear": "double_blocks_0_img_mod_lin",
        **{
            f"single_transformer_blocks.{i}.{path}": f"single_blocks_{i}_{name}"
            for i in range(2)
            for path, name in {
                "attn.to_q": "linear1",
                "attn.to_k": "linear1",
                "attn.to_v": "linear1",
                "proj_mlp": "linear1",
                "proj_out": "linear2",
                "norm.linear": "modulation_lin",
            }.items()
        },
        "x_embedder": "img_in",
        "time_text_embed.guidance_embedder.linear_1": "guidance_in_in_layer",
        "norm_out.linear": "final_layer_adaLN_modulation_1",
        "proj_out": "final_layer_linear",
    },
    "sd3": {
        **{
            f"transformer_blocks.{i}.{path}": f"joint_blocks_{i}_{name}"
            for i in range(2)
            for path, name in {
                "attn.to_q": "x_block_attn_qkv",
                "attn.to_k": "x_block_attn_qkv",
                "attn.to_v": "x_block_attn_qkv",
                "attn.add_q_proj": "context_block_attn_qkv",
                "attn.add_k_proj": "context_block_attn_qkv",
                "attn.add_v_proj": "context_block_attn_qkv",
                "attn.to_out.0": "x_block_attn_proj",
                "attn.to_add_out": "context_block_attn_proj",
                "ff.net.2": "x_block_mlp_fc2",
                "norm1.linear": "x_block_adaLN_modulation_1",
                "norm1_context.linear": "context_block_adaLN_modulation_1",
            }.items()
        },
        "context_embedder": "context_embedder",
        "norm_out.linear": "final_layer_adaLN_modulation_1",
        "proj_out": "final_layer_linear",
    },
}


def kohya(trained: Trained) -> dict[str, Tensor]:
    """Return the adapter in sd-scripts' form: projections fused block by block, alpha twice the rank."""
    groups: dict[str, list[str]] = {}
    order = list(_ORIGINAL[trained.name])
    for path in sorted(trained.paths, key=order.index):
        groups.setdefault(_ORIGINAL[trained.name][path], []).append(path)
    state: dict[str, Tensor] = {}
    for name, paths in groups.items():
        downs = [trained.weights[f"{path}.lora_A.weight"] for path in paths]
        ups = [trained.weights[f"{path}.lora_B.weight"] * trained.scale(path) / 2 for path in paths]
        up = torch.block_diag(*ups)
        last_context = name == "joint_blocks_1_context_block_adaLN_modulation_1"
        if name == "final_layer_adaLN_modulation_1" or last_context:
            up = torch.cat(up.chunk(2)[::-1])  # (shift, scale) there, (scale, shift) in diffusers
        state[f"lora_unet_{name}.lora_down.weight"] = torch.cat(downs)
        state[f"lora_unet_{name}.lora_up.weight"] = up.contiguous()
        state[f"lora_unet_{name}.alpha"] = torch.tensor(2.0 * up.shape[1])
    return state


def pipeline(trained: Trained) -> Any:
    """Return plain diffusers' pipeline around a fresh denoiser; LoRA loading needs nothing else of it."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2"), None
    )
    if trained.name == "sd3":
        nothing |= {"text_encoder_3": None, "tokenizer_3": None}
    kind = FluxPipeline if trained.name == "flux" else StableDiffusion3Pipeline
    return kind(transformer=trained.fresh(), scheduler=FlowMatchEulerDiscreteScheduler(), **nothing)


def rewrite(file: Path, target: Path, **changes: Any) -> Path:
    """Copy a JSON or safetensors file with some entries changed, added, or (None) taken out."""
    content = json.loads(file.read_text()) if file.suffix == ".json" else load_file(file)
    content = {key: value for key, value in (content | changes).items() if value is not None}
    if file.suffix == ".json":
        target.write_text(json.dumps(content))
    else:
        save_file(content, target)
    return target
