"""Pictures as a flow model would show them midway: the predicted clean image at a noise level.

Pruning judges candidates before they are finished, by previews that are blurred, and wrong about details that
are not decided yet. A judge that never saw such pictures ranks them badly; this makes them from the training
pictures: noise the picture's latents to the level, ask the denoiser once, with the prompt that is judged,
and decode what it takes the clean latents to be.

A preview depends on the pipeline, the picture, the prompt, the level and the seed alone, so it is made once
and kept on disk.
"""

from __future__ import annotations

import hashlib
import json
import threading
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from spatial_core.atomic_files import write_bytes
from spatial_core.images import resize, to_pil, to_tensors
from spatial_trainers.recipe import PreviewsRecipe

_SAMPLE_BYTES = 1 << 20


class Previews:
    """Makes and keeps previews; safe to share between threads.

    Attributes:
        digest: sha256 of what the previews depend on beside the pictures and prompts.
    """

    def __init__(self, recipe: PreviewsRecipe, *, seed: int, device: torch.device) -> None:
        """Load the pipeline.

        Raises:
            ValueError: If it is of a family whose latents are not known here.
            OSError: If it is not there.
        """
        from diffusers import DiffusionPipeline

        from spatial_core.backbones import default_dtype

        folder = _folder(recipe.pipeline)
        self.recipe, self._seed = recipe, seed
        self._cache = Path(recipe.cache)
        self._pipeline: Any = DiffusionPipeline.from_pretrained(folder, dtype=default_dtype(device))
        if not isinstance(self._pipeline, _families()):
            raise ValueError(
                "'data.previews.pipeline' must be a FLUX or Stable Diffusion 3 pipeline; "
                f"{recipe.pipeline} is a {type(self._pipeline).__name__}."
            )
        # Releases before the name `dtype` loaded float32 all the same.
        self._pipeline.to(device, default_dtype(device))
        self._pipeline.set_progress_bar_config(disable=True)
        call = {"guidance_scale": recipe.guidance_scale, "max_sequence_length": recipe.max_sequence_length}
        self._call = {key: value for key, value in call.items() if value is not None}
        self.digest = hashlib.sha256(f"{_fingerprint(Path(folder))} {seed} {self._call}".encode()).hexdigest()
        # The pipeline is made to tell its denoiser's arguments, which two threads cannot do at once.
        self._lock = threading.Lock()

    def level(self, step: int, pair: int) -> float | None:
        """Return the noise level at which step `step` shows pair `pair`, None for the pictures themselves."""
        rng = np.random.default_rng([self._seed, step, pair])
        if rng.random() >= self.recipe.share:
            return None
        return float(rng.choice(self.recipe.noise_levels))

    def show(self, picture: Tensor, prompt: str, level: float) -> Tensor:
        """Return the preview of a picture, float32 `[3, H, W]` in [0, 1], as large as the latents allow.

        Args:
            picture: `[3, H, W]` in [0, 1].
            prompt: What the denoiser is asked for.
            level: Noise level (sigma) in (0, 1).
        """
        pixels = hashlib.sha256(picture.numpy().tobytes()).hexdigest()
        key = json.dumps([self.digest, pixels, list(picture.shape), prompt, level])
        name = hashlib.sha256(key.encode()).hexdigest()
        file = self._cache / name[:2] / f"{name}.png"
        if not file.is_file():
            with self._lock:
                made = self._make(picture, prompt, level, seed=int(name[:15], 16))
            data = BytesIO()
            to_pil(made).save(data, format="PNG")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, data.getvalue())
        # Also where it has just been made: what is learned from does not depend on the state of the cache.
        with Image.open(file) as image:
            return to_tensors(image)[0]

    @torch.no_grad()
    def _make(self, picture: Tensor, prompt: str, level: float, *, seed: int) -> Tensor:
        from spatial_core.pipeline import predict, prepare

        pipeline = self._pipeline
        vae = pipeline.vae
        unit = pipeline.vae_scale_factor * 2
        height, width = (max(unit, round(side / unit) * unit) for side in picture.shape[-2:])
        begin = prepare(
            pipeline,
            prompt=prompt,
            height=height,
            width=width,
            num_inference_steps=1,
            generator=torch.Generator().manual_seed(seed),
            output_type="latent",
            **self._call,
        )
        image = resize(picture[None], height, width).to(vae.device, vae.dtype)
        encoded = vae.encode(2.0 * image - 1.0)
        latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
        shift, factor = _shift(vae), vae.config.scaling_factor
        latents = self._packed((latents - shift) * factor)
        noisy = (1.0 - level) * latents.float() + level * begin.latents.float()
        velocity = predict(pipeline, noisy.to(begin.latents.dtype), level, begin.condition)
        clean = self._unpacked(noisy - level * velocity.float(), height, width)
        decoded = vae.decode(clean.to(vae.dtype) / factor + shift).sample
        return (decoded[0].float().cpu() / 2.0 + 0.5).clamp(0.0, 1.0)

    def _packed(self, latents: Tensor) -> Tensor:
        if not hasattr(self._pipeline, "_pack_latents"):
            return latents
        return self._pipeline._pack_latents(latents, *latents.shape)

    def _unpacked(self, latents: Tensor, height: int, width: int) -> Tensor:
        if not hasattr(self._pipeline, "_unpack_latents"):
            return latents
        return self._pipeline._unpack_latents(latents, height, width, self._pipeline.vae_scale_factor)


def _families() -> tuple[type, ...]:
    from diffusers import FluxPipeline, StableDiffusion3Pipeline

    return FluxPipeline, StableDiffusion3Pipeline


def _folder(pipeline: str) -> str:
    if pipeline != "starter":
        return pipeline
    from spatial_core.starter import starter_path

    return str(starter_path("flow"))


def _shift(vae: Any) -> float:
    # The bundled autoencoder is of a class that has none, and may leave it out.
    return vae.config.get("shift_factor") or 0.0


def _fingerprint(folder: Path) -> str:
    """Return a sha256 that tells the weights of a local pipeline from others; of a hub id, of its name."""
    digest = hashlib.sha256(b"" if folder.is_dir() else str(folder).encode())
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}".encode())
        with file.open("rb") as stream:
            # Weights of other training differ everywhere; both ends tell them apart.
            digest.update(stream.read(_SAMPLE_BYTES))
            stream.seek(-min(_SAMPLE_BYTES, file.stat().st_size), 2)
            digest.update(stream.read())
    return digest.hexdigest()
