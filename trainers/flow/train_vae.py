"""The starter's autoencoder: TAESD's architecture, whose latents are given and whose halves learn apart.

The latents are those of `spatial_trainers.flow.latents`. The decoder learns to draw what they mean, with the
absolute error of pixels and of differences between neighbours, which keeps edges sharp without a perceptual
network. Latents reach it with a little noise, so that it forgives a generator's errors. Most steps see crops,
the last ones whole pictures. The encoder learns to tell latents from whole pictures; what is generated from
text never needs it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm

from spatial_trainers.checkpoint import Resumable
from spatial_trainers.cpu_precision import cpu_autocast
from spatial_trainers.flow.latents import (
    LATENT_CHANNELS,
    PATCH,
    PIXEL_CHANNELS,
    LatentCode,
    PatchBasis,
    as_pixels,
)
from spatial_trainers.flow.scenes import FlowScenes

Half = Literal["decoder", "encoder"]


@dataclass(frozen=True)
class VaeSettings:
    """Everything the autoencoder depends on.

    Attributes:
        steps, batch_size: Optimizer steps of the decoder, crops a step.
        crop: Side of the crops in pixels, a multiple of 16.
        whole_from: Share of the steps after which whole pictures take the crops' place.
        encoder_steps, encoder_batch_size: Of the encoder, whole pictures a step.
        lr, warmup: Peak rate of AdamW, steps of linear growth; then it falls as a cosine.
        noise: Deviation of the noise on the decoder's latents.
        ema: Decay of the averaged weights, which are what is saved.
        seed: Of weights and data order.
        save_every: Steps between states.
    """

    steps: int = 900
    batch_size: int = 8
    crop: int = 64
    whole_from: float = 0.8
    encoder_steps: int = 900
    encoder_batch_size: int = 8
    lr: float = 1.5e-3
    warmup: int = 20
    noise: float = 0.15
    ema: float = 0.98
    seed: int = 0
    save_every: int = 50


def new_vae(basis: PatchBasis) -> AutoencoderTiny:
    """Return the autoencoder untrained: it tells the pixels' channels and draws smoothed mean colours.

    It has no normalisation: with PyTorch's own initial weights the signal dies out on the way, and training
    stands still for hundreds of steps. So blocks begin as the identity, and all else keeps variances.
    """
    vae = AutoencoderTiny(latent_channels=LATENT_CHANNELS)
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in vae.modules():
            if isinstance(module, AutoencoderTinyBlock):
                nn.init.zeros_(module.conv[4].weight)
        _start_encoder(vae.encoder, basis)
        _start_decoder(vae.decoder, basis)
    return vae


def _start_encoder(encoder: nn.Module, basis: PatchBasis) -> None:
    """Let the encoder begin with the basis, exactly, beside channels that are free to learn.

    Pixels in [0, 1] pass the ReLUs as they are. Two strided convolutions gather 4 x 4 pixels as 48 channels;
    the third takes all 192 values to each component and to its negative, of which the ReLU lets one through;
    the last one subtracts and shifts.
    """
    first, *strided, last = [m for m in encoder.layers if isinstance(m, nn.Conv2d)]
    first.weight[:3] = 0
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1
    # Channel (row, column, color) of what was gathered so far; a kernel's centre and what is right and below.
    side = 1
    for convolution in strided[:2]:
        convolution.weight[: 12 * side**2] = 0
        for row, column, color in product(range(2 * side), range(2 * side), range(3)):
            target = (row * 2 * side + column) * 3 + color
            source = ((row % side) * side + column % side) * 3 + color
            convolution.weight[target, source, 1 + row // side, 1 + column // side] = 1
        side *= 2
    count = PIXEL_CHANNELS
    strided[2].weight[: 2 * count] = 0
    grid = basis.weight.view(count, 2, 4, 2, 4, 3)
    for row, column in product(range(2), range(2)):
        part = grid[:, row, :, column].reshape(count, 48)
        strided[2].weight[:count, :48, 1 + row, 1 + column] = part
        strided[2].weight[count : 2 * count, :48, 1 + row, 1 + column] = -part
    last.weight.mul_(0.1)
    last.weight[:count] = 0
    for channel in range(count):
        last.weight[channel, channel, 1, 1] = 1
        last.weight[channel, count + channel, 1, 1] = -1
    last.bias[:count] = basis.offset


def _start_decoder(decoder: nn.Module, basis: PatchBasis) -> None:
    """Let the decoder begin as smooth interpolation of the patches' mean colours.

    Each latent and its negative pass the ReLUs through channels of their own (the first 32) and are smoothed
    after each doubling.
    """
    first, *doubled, last = [m for m in decoder.layers if isinstance(m, nn.Conv2d)]
    kept = 2 * LATENT_CHANNELS
    first.weight[:kept] = 0
    for channel in range(LATENT_CHANNELS):
        first.weight[channel, channel, 1, 1] = 1
        first.weight[LATENT_CHANNELS + channel, channel, 1, 1] = -1
    smooth = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
    for convolution in doubled:
        convolution.weight[:kept] = 0
        for channel in range(kept):
            convolution.weight[channel, channel] = smooth
    colors = basis.back.view(PATCH * PATCH, 3, PIXEL_CHANNELS).mean(0)
    last.weight.mul_(0.05)
    last.weight[:, :kept] = 0
    last.weight[:, :PIXEL_CHANNELS, 1, 1] = colors
    last.weight[:, LATENT_CHANNELS : LATENT_CHANNELS + PIXEL_CHANNELS, 1, 1] = -colors
    last.bias.copy_(basis.mean.view(PATCH * PATCH, 3).mean(0))


def decoder_loss(vae: AutoencoderTiny, latents: Tensor, pixels: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts for latents `[B, 16, H/8, W/8]` and what they should become."""
    with cpu_autocast():
        drawn = vae.decoder(latents).float()
    error = drawn - pixels
    flat = error.abs().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    parts = {"l1": flat, "edges": edges, "mse": error.square().mean()}
    return flat + 0.5 * edges, {k: float(v.detach()) for k, v in parts.items()}


def encoder_loss(vae: AutoencoderTiny, latents: Tensor, pixels: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts for pictures `[B, 3, H, W]` in [-1, 1] and the latents they have."""
    with cpu_autocast():
        told = vae.encoder(pixels).float()
    seen, shown = (
        F.smooth_l1_loss(told[:, part], latents[:, part], beta=0.5)
        for part in (slice(PIXEL_CHANNELS), slice(PIXEL_CHANNELS, None))
    )
    return seen + 2 * shown, {"pixels": float(seen.detach()), "objects": float(shown.detach())}


class HalfTrainer:
    """The autoencoder, optimizer and average of one of its halves, and one step of them."""

    def __init__(self, settings: VaeSettings, basis: PatchBasis, half: Half):
        self.settings, self.basis, self.half = settings, basis, half
        torch.manual_seed(settings.seed)
        self.vae = new_vae(basis).to(memory_format=torch.channels_last)
        self.part: nn.Module = getattr(self.vae, half)
        self.steps = settings.steps if half == "decoder" else settings.encoder_steps
        self.optimizer = torch.optim.AdamW(self.part.parameters(), lr=settings.lr, weight_decay=1e-4)
        self.names = {p: n for n, p in self.part.named_parameters()}
        self.average = {n: p.detach().clone() for p, n in self.names.items()}

    def step(self, latents: Tensor, pixels: Tensor, step: int) -> dict[str, float]:
        """Take optimizer step number `step`, counted from 0."""
        s = self.settings
        if self.half == "decoder":
            generator = torch.Generator().manual_seed(s.seed * 10**6 + step)
            noisy = latents + s.noise * torch.randn(latents.shape, generator=generator)
            loss, log = decoder_loss(self.vae, noisy, pixels)
        else:
            loss, log = encoder_loss(self.vae, latents, pixels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.names), 1.0)
        share = min(1.0, (step + 1) / s.warmup) * (0.5 + 0.5 * np.cos(np.pi * step / self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * share
        self.optimizer.step()
        with torch.no_grad():
            for parameter, name in self.names.items():
                self.average[name].lerp_(parameter, max(1 - s.ema, 1 / (step + 2)))
        return log

    @property
    def resumable(self) -> Resumable:
        """What a killed run goes on from."""
        return Resumable(self.names, self.average, [self.optimizer], _comparable(self.settings, self.half))


def _comparable(settings: VaeSettings, half: Half) -> dict[str, Any]:
    """Return what a state must agree about."""
    other = "encoder_" if half == "decoder" else ""
    apart = {"save_every", f"{other}steps", f"{other}batch_size"}
    return {key: value for key, value in asdict(settings).items() if key not in apart} | {"half": half}


def half_batches(
    scenes: FlowScenes, basis: PatchBasis, settings: VaeSettings, half: Half, first: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield latents and pixels of each step from `first` on; they depend on the seed and the step alone."""
    s, code = settings, LatentCode(basis)
    size = scenes.images.shape[1]
    for step in range(first, s.steps if half == "decoder" else s.encoder_steps):
        rng = np.random.default_rng([s.seed, step])
        whole = half == "encoder" or step >= s.whole_from * s.steps
        side, count = (size, s.encoder_batch_size) if half == "encoder" else (s.crop, s.batch_size)
        if whole and half == "decoder":
            side, count = size, max(1, s.batch_size * s.crop**2 // size**2)
        index = rng.integers(len(scenes), size=count)
        corners = rng.integers(0, (size - side) // PATCH + 1, size=(count, 2))
        mirror = rng.random(count) < 0.5
        pixels = as_pixels(scenes.images[index])
        latents = code.latents(scenes, index, mirror, basis.encode(pixels))
        pixels = torch.where(torch.from_numpy(mirror)[:, None, None, None], pixels.flip(-1), pixels)
        cells = side // PATCH
        cut = [
            (z[:, y : y + cells, x : x + cells], p[:, y * PATCH :, x * PATCH :][:, :side, :side])
            for z, p, (y, x) in zip(latents, pixels, corners.tolist(), strict=True)
        ]
        yield (
            torch.stack([z for z, _ in cut]),
            torch.stack([p for _, p in cut]).contiguous(memory_format=torch.channels_last),
        )


def train_half(
    settings: VaeSettings, basis: PatchBasis, scenes: FlowScenes, half: Half, output: str | Path
) -> dict[str, Tensor]:
    """Return the averaged weights of a trained half; goes on from the output folder's state.

    Args:
        settings: See `VaeSettings`.
        basis: Of the latents' first channels.
        scenes: What it learns from.
        half: Which.
        output: Folder of the state and `{half}-metrics.jsonl`.
    """
    out = Path(output)
    out.mkdir(parents=True, exist_ok=True)
    trainer = HalfTrainer(settings, basis, half)
    state = out / f"{half}-state.safetensors"
    first = trainer.resumable.load(state) if state.is_file() else 0
    begin = time.monotonic()
    stream = half_batches(scenes, basis, settings, half, first)
    bar = tqdm(stream, initial=first, total=trainer.steps, desc=half)
    with (out / f"{half}-metrics.jsonl").open("a", encoding="utf-8") as log:
        for done, (latents, pixels) in enumerate(bar, start=first + 1):
            line: dict[str, Any] = trainer.step(latents, pixels, done - 1)
            if done % 10 == 0:
                line |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(line) + "\n")
                log.flush()
            if done % settings.save_every == 0 or done == trainer.steps:
                trainer.resumable.save(state, done)
    return trainer.average


def train_vae(
    settings: VaeSettings, basis: PatchBasis, scenes: FlowScenes, output: str | Path
) -> AutoencoderTiny:
    """Return the autoencoder, both halves trained; goes on from the output folder's states."""
    vae = new_vae(basis)
    vae.decoder.load_state_dict(train_half(settings, basis, scenes, "decoder", output))
    vae.encoder.load_state_dict(train_half(settings, basis, scenes, "encoder", output))
    return vae.eval()


@torch.no_grad()
def reconstruction_psnr(vae: AutoencoderTiny, basis: PatchBasis, scenes: FlowScenes) -> float:
    """Return the mean peak signal-to-noise ratio in dB of pictures decoded from their exact latents."""
    code = LatentCode(basis)
    values: list[float] = []
    for index in np.array_split(np.arange(len(scenes)), max(1, len(scenes) // 16)):
        pixels = as_pixels(scenes.images[index])
        latents = code.latents(scenes, index, np.zeros(len(index), dtype=bool), basis.encode(pixels))
        drawn = vae.decode(latents).sample.clamp(-1, 1)
        mse = ((drawn - pixels) / 2).square().mean((1, 2, 3))
        values += (-10 * mse.log10()).tolist()
    return float(np.mean(values))
