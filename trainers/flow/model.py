"""The starter flow model from scratch: a small FLUX, its autoencoder, text encoders and tokenizers.

Every part is the public class at a size that trains on a CPU, so plain `FluxPipeline.from_pretrained` loads
the folder and stock ComfyUI its transformer: two heads of 128 with rotary axes 16 / 56 / 56, one double and
three single blocks. The schedule is shifted by a constant exp(1.15), which is ComfyUI's for FLUX.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderTiny,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from spatial_core.atomic_files import write_text
from spatial_trainers.flow.latents import LATENT_CHANNELS
from spatial_trainers.flow.tokenizers import CLIP_LENGTH

SHIFT = 1.15


@dataclass(frozen=True)
class FlowModelSettings:
    """Sizes.

    Attributes:
        double_blocks, single_blocks: Of the transformer.
        heads: Of 128 channels each.
        text_width, text_layers: Of the T5 encoder.
        clip_width, clip_layers: Of the CLIP text encoder.
    """

    double_blocks: int = 1
    single_blocks: int = 3
    heads: int = 2
    text_width: int = 192
    text_layers: int = 3
    clip_width: int = 128
    clip_layers: int = 2


def new_text_encoders(
    settings: FlowModelSettings, clip: CLIPTokenizer, t5: T5Tokenizer
) -> tuple[CLIPTextModel, T5EncoderModel]:
    """Return both text encoders with fresh weights."""
    pooled = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip),
            hidden_size=settings.clip_width,
            intermediate_size=2 * settings.clip_width,
            num_hidden_layers=settings.clip_layers,
            num_attention_heads=settings.clip_width // 64,
            max_position_embeddings=CLIP_LENGTH,
            projection_dim=settings.clip_width,
            bos_token_id=clip.bos_token_id,
            eos_token_id=clip.eos_token_id,
            pad_token_id=clip.pad_token_id,
        )
    )
    sequence = T5EncoderModel(
        T5Config(
            vocab_size=len(t5),
            d_model=settings.text_width,
            d_kv=32,
            d_ff=2 * settings.text_width,
            num_layers=settings.text_layers,
            num_heads=settings.text_width // 32,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=64,
            dropout_rate=0.0,
            feed_forward_proj="gated-gelu",
            pad_token_id=t5.pad_token_id,
            eos_token_id=t5.eos_token_id,
            tie_word_embeddings=False,
        )
    )
    return pooled, sequence


def new_transformer(settings: FlowModelSettings) -> FluxTransformer2DModel:
    """Return the denoiser; it begins with closed gates and predicts 0."""
    model = FluxTransformer2DModel(
        in_channels=4 * LATENT_CHANNELS,
        num_layers=settings.double_blocks,
        num_single_layers=settings.single_blocks,
        attention_head_dim=128,
        num_attention_heads=settings.heads,
        joint_attention_dim=settings.text_width,
        pooled_projection_dim=settings.clip_width,
        guidance_embeds=True,
        axes_dims_rope=(16, 56, 56),
    )
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (".norm" in name or name in ("proj_out", "norm_out.linear")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return model


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Return the schedule: shifted by exp(1.15) whatever the size."""
    return FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=SHIFT, max_shift=SHIFT)


def make_pipeline(
    transformer: FluxTransformer2DModel,
    vae: AutoencoderTiny,
    clip: CLIPTextModel,
    t5: T5EncoderModel,
    tokenizer: CLIPTokenizer,
    tokenizer_2: T5Tokenizer,
) -> FluxPipeline:
    """Return the parts as a pipeline."""
    return FluxPipeline(new_scheduler(), vae, clip, tokenizer, t5, tokenizer_2, transformer)


def save_pipeline(pipeline: FluxPipeline, folder: str | Path) -> None:
    """Write a diffusers folder in half precision.

    The text encoders' configurations say float32, since transformers takes the type of the weights where it
    is not told: all parts then load in float32 by default, or all in what the caller asks for.
    """
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for part in ("text_encoder", "text_encoder_2"):
        path = Path(folder, part, "config.json")
        config = json.loads(path.read_text("utf-8"))
        write_text(path, json.dumps(config | {"dtype": "float32"}, indent=2) + "\n")
