"""Batches as ComfyUI holds them, taken apart into single pictures and put together again in another order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Latent = dict[str, Any]


def split_images(batches: Sequence[Tensor]) -> list[Tensor]:
    """Return the pictures [1, H, W, C] of IMAGE batches [B, H, W, C].

    Raises:
        ValueError: If there is no picture.
    """
    pictures = [picture for batch in batches for picture in batch.split(1)]
    if not pictures:
        raise ValueError(
            "There is no picture to judge: the image batch is empty. Connect at least one image."
        )
    return pictures


def for_scoring(picture: Tensor) -> Tensor:
    """Return an IMAGE [1, H, W, C] as [3, H, W] in [0, 1], clipped as ComfyUI's own Save Image clips."""
    return picture[0, ..., :3].movedim(-1, 0).clamp(0.0, 1.0)


def fingerprint(picture: Tensor) -> str:
    """Return a string that is the same for equal pictures and differs for others."""
    # Frozen to float32 so that a picture is itself again after a node that changed only its type.
    levels = picture[..., :3].to("cpu", torch.float32).contiguous().numpy()
    return hashlib.blake2b(levels.tobytes(), digest_size=16).hexdigest()


def split_latents(batches: Sequence[Latent]) -> list[Latent]:
    """Return latents of one picture each; noise mask and place in the batch (`batch_index`) are kept.

    Raises:
        ValueError: If a latent holds NaN.
    """
    singles: list[Latent] = []
    for latent in batches:
        samples: Tensor = latent["samples"]
        check_latent(latent)
        count = len(samples)
        places = list(latent.get("batch_index", range(count)))
        mask: Tensor | None = latent.get("noise_mask")
        for i in range(count):
            single = latent | {"samples": samples[i : i + 1], "batch_index": [places[i]]}
            if mask is not None:
                # A mask may be one for the whole batch.
                single["noise_mask"] = mask[i : i + 1] if len(mask) == count else mask[:1]
            singles.append(single)
    return singles


def check_latent(latent: Latent) -> None:
    """Refuse a latent that holds NaN.

    Raises:
        ValueError: With what usually causes it.
    """
    if latent["samples"].isnan().any():
        raise ValueError(
            "The latent is broken: it holds NaN (not a number), so the picture would be black. This comes "
            "from the sampler or VAE before this node, most often a model in fp16 that needs bf16 or "
            "fp32, or a CFG that is far too high."
        )


def split_masks(batches: Sequence[Tensor]) -> list[Tensor]:
    """Return the masks [1, H, W] of MASK batches [B, H, W] (or one [H, W])."""
    return [mask for batch in batches for mask in (batch if batch.ndim == 3 else batch[None]).split(1)]


def join_tensors(parts: Sequence[Tensor]) -> list[Tensor]:
    """Return the parts as one batch where they are of one size, else one by one: a list output takes both."""
    if len({part.shape[1:] for part in parts}) > 1:
        return list(parts)
    return [torch.cat(list(parts))] if parts else []


def join_latents(parts: Sequence[Latent]) -> list[Latent]:
    """Return the latents as one batch where they are alike in size and masking, else one by one."""
    kinds = {(p["samples"].shape[1:], getattr(p.get("noise_mask"), "shape", None)) for p in parts}
    if len(kinds) > 1:
        return list(parts)
    if not parts:
        return []
    joined = parts[0] | {
        "samples": torch.cat([part["samples"] for part in parts]),
        "batch_index": [place for part in parts for place in part["batch_index"]],
    }
    if "noise_mask" in parts[0]:
        joined["noise_mask"] = torch.cat([part["noise_mask"] for part in parts])
    return [joined]


def to_image(picture: Any) -> Tensor:
    """Return a PIL picture as an IMAGE [1, H, W, 3]."""
    from spatial_core.images import to_tensors

    return to_tensors(picture)[0].movedim(0, -1)[None]
