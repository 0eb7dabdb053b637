"""Generators to measure: FLUX in the starter's size or its real shape, with random weights."""

from __future__ import annotations

from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, FluxPipeline, FluxTransformer2DModel
from torch import nn

from spatial_trainers.flow.model import FlowModelSettings, new_scheduler, new_transformer

FlowSize = Literal["starter", "flux.1-dev"]

_REAL_DECODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 16,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}


def random_flow_pipeline(
    size: FlowSize, *, device: torch.device, dtype: torch.dtype, decoder_width: int = 64
) -> FluxPipeline:
    """Return a FLUX without text encoders, whose gates are open so that pictures differ.

    Args:
        size: Whose shape.
        device: Where to.
        dtype: Of the weights.
        decoder_width: Channels of the starter's decoder.
    """
    before = torch.get_default_dtype()
    with torch.random.fork_rng(), device:
        torch.manual_seed(0)
        torch.set_default_dtype(dtype)
        try:
            if size == "starter":
                widths = (decoder_width,) * 4
                vae: Any = AutoencoderTiny(
                    latent_channels=16, encoder_block_out_channels=widths, decoder_block_out_channels=widths
                )
                transformer = new_transformer(FlowModelSettings())
            else:
                vae = AutoencoderKL(**_REAL_DECODER)
                transformer = FluxTransformer2DModel(guidance_embeds=True)
            for module in transformer.modules():
                if isinstance(module, nn.Linear) and not module.weight.any():
                    nn.init.normal_(module.weight, std=0.05)
        finally:
            torch.set_default_dtype(before)
    pipeline = FluxPipeline(new_scheduler(), vae, None, None, None, None, transformer)
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def random_text(pipeline: FluxPipeline, tokens: int) -> dict[str, torch.Tensor]:
    """Return what stands for one encoded prompt in a call of `pipeline`."""
    config: Any = pipeline.transformer.config
    place = {"device": pipeline.device, "dtype": pipeline.transformer.dtype}
    generator = torch.Generator().manual_seed(1)
    return {
        "prompt_embeds": torch.randn(1, tokens, config.joint_attention_dim, generator=generator).to(**place),
        "pooled_prompt_embeds": torch.randn(1, config.pooled_projection_dim, generator=generator).to(**place),
    }
