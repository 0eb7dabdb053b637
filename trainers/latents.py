"""From pictures to the latents that a base's denoiser sees, in its own layout, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def encode_latents(pipeline: Any, images: Tensor) -> Tensor:
    """Return the latents of pictures, float32 in the base's layout: what it would denoise to.

    An autoencoder that gives a distribution is asked for its mode.

    Args:
        pipeline: FLUX, Stable Diffusion 3 or Qwen-Image.
        images: `[B, 3, H, W]` in [0, 1]; H and W are multiples of `side_unit(pipeline)`.
    """
    vae = pipeline.vae
    pixels = (2.0 * images - 1.0).to(vae.device, vae.dtype)
    # Qwen-Image's autoencoder is one of videos.
    encoded = vae.encode(pixels[:, :, None] if _of_videos(vae) else pixels)
    latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
    if _of_videos(vae):
        mean, std = _statistics(vae, latents)
        latents = ((latents.float() - mean) / std)[:, :, 0]
    else:
        latents = (latents.float() - _shift(vae)) * vae.config.scaling_factor
    if hasattr(pipeline, "_pack_latents"):
        return pipeline._pack_latents(latents, *latents.shape)
    return latents


@torch.no_grad()
def decode_latents(pipeline: Any, latents: Tensor, *, height: int, width: int) -> Tensor:
    """Return the pictures of latents in the base's layout, float32 `[B, 3, H, W]` in [0, 1].

    Args:
        pipeline: FLUX, Stable Diffusion 3 or Qwen-Image.
        latents: As the base's loop ends with.
        height, width: Of the pictures, in pixels.
    """
    vae = pipeline.vae
    if hasattr(pipeline, "_unpack_latents"):
        latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)
    if _of_videos(vae):
        latents = latents.to(vae.dtype)
        mean, std = _statistics(vae, latents)
        images = vae.decode((latents * std + mean).to(vae.dtype)).sample[:, :, 0]
    else:
        images = vae.decode((latents / vae.config.scaling_factor + _shift(vae)).to(vae.dtype)).sample
    return (images.float() / 2.0 + 0.5).clamp(0.0, 1.0)


def side_unit(pipeline: Any) -> int:
    """Return what the sides of pictures must be multiples of."""
    return pipeline.vae_scale_factor * 2


def _of_videos(vae: Any) -> bool:
    return "latents_mean" in vae.config and "scaling_factor" not in vae.config


def _statistics(vae: Any, latents: Tensor) -> tuple[Tensor, Tensor]:
    shape = (1, -1, 1, 1, 1)
    mean, std = (torch.tensor(v).view(shape) for v in (vae.config.latents_mean, vae.config.latents_std))
    return mean.to(latents.device), std.to(latents.device)


def _shift(vae: Any) -> float:
    # The starter's autoencoder is of a class that has none, and may leave it out.
    return vae.config.get("shift_factor") or 0.0
