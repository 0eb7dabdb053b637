"""The starter's autoencoder: TAESD's architecture, an encoder in closed form and a decoder that is trained.

The encoder is the best linear one: principal components of 8 x 8 patches, written into TAESD's convolutions
exactly. So latents are there at once, and mirroring a picture mirrors its latents, up to the sign of some
channels. Each channel's deviation is what it is in pixels to the power of two thirds, scaled so that all
together have 1: coarse channels count more than fine ones and come out of the noise before them (with the
third root, a flow model drew patches of the right colour that did not join), and no constants are needed.

The decoder learns with the absolute error of pixels and of differences between neighbours, which keeps edges
sharp without a perceptual network. Latents reach it with a little noise, so that it forgives a generator's
errors. Most steps see crops, the last ones whole pictures.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderTiny
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from tqdm import tqdm

from spatial_trainers.checkpoint import Resumable

LATENT_CHANNELS = 16
PATCH = 8
Pictures = npt.NDArray[np.uint8]
STATE_FILE = "decoder-state.safetensors"
_FITTED = 2048


@dataclass(frozen=True)
class VaeSettings:
    """Everything the decoder depends on.

    Attributes:
        steps, batch_size: Optimizer steps, crops a step.
        crop: Side of the crops in pixels, a multiple of 16.
        whole_from: Share of the steps after which whole pictures take the crops' place.
        lr, warmup: Peak rate of AdamW, steps of linear growth; then it falls as a cosine.
        noise: Deviation of the noise on the latents.
        ema: Decay of the averaged weights, which are what is saved.
        seed: Of weights and data order.
        save_every: Steps between states.
    """

    steps: int = 900
    batch_size: int = 8
    crop: int = 64
    whole_from: float = 0.8
    lr: float = 1.5e-3
    warmup: int = 20
    noise: float = 0.1
    ema: float = 0.98
    seed: int = 0
    save_every: int = 50


@dataclass(frozen=True)
class PatchBasis:
    """A linear code of patches.

    Attributes:
        weight: float32 `[16, 192]`, latents of a patch (rows, columns, channels; pixels in [0, 1]).
        offset: float32 `[16]`, added to them.
        back: float32 `[192, 16]` and `mean`: float32 `[192]`, the best linear way back.
        signs: float32 `[16]`, 1 or -1: what mirroring does to each channel.
    """

    weight: Tensor
    offset: Tensor
    back: Tensor
    mean: Tensor
    signs: Tensor

    def encode(self, pixels: Tensor) -> Tensor:
        """Return latents `[B, 16, H/8, W/8]` of pixels `[B, 3, H, W]` in [-1, 1]."""
        b, _, h, w = pixels.shape
        latents = _patches((pixels + 1) / 2) @ self.weight.T + self.offset
        return latents.view(b, h // PATCH, w // PATCH, -1).permute(0, 3, 1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Return the best linear guess of the pixels, `[B, 3, H, W]` in [-1, 1]."""
        b, c, h, w = latents.shape
        flat = latents.permute(0, 2, 3, 1).reshape(-1, c) @ self.back.T + self.mean
        cells = flat.view(b, h, w, PATCH, PATCH, 3).permute(0, 5, 1, 3, 2, 4)
        return (cells.reshape(b, 3, h * PATCH, w * PATCH) * 2 - 1).clamp(-1, 1)

    def mirror(self, latents: Tensor) -> Tensor:
        """Return the latents of the mirrored pictures."""
        return latents.flip(-1) * self.signs[:, None, None]


def _patches(pixels: Tensor) -> Tensor:
    """Return `[B * H/8 * W/8, 192]` from `[B, 3, H, W]`."""
    b, c, h, w = pixels.shape
    cells = pixels.reshape(b, c, h // PATCH, PATCH, w // PATCH, PATCH)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(-1, PATCH * PATCH * c)


def as_pixels(pictures: Pictures) -> Tensor:
    """Return uint8 pictures `[N, H, W, 3]` as float32 `[N, 3, H, W]` in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def fit_basis(pictures: Pictures) -> PatchBasis:
    """Return the principal components of the patches of (at most 2048) pictures and their mirror images."""
    total, second, count = torch.zeros(192), torch.zeros(192, 192), 0
    for part in np.array_split(pictures[:_FITTED], max(1, min(len(pictures), _FITTED) // 64)):
        patches = _patches((as_pixels(part) + 1) / 2)
        total += patches.sum(0)
        second += patches.T @ patches
        count += len(patches)
    flipped = torch.arange(192).view(PATCH, PATCH, 3).flip(1).reshape(-1)
    mean = total / count
    mean = (mean + mean[flipped]) / 2
    covariance = second / count - torch.outer(mean, mean)
    # Symmetric under mirroring, so that every component is even or odd.
    covariance = (covariance + covariance[flipped][:, flipped]) / 2
    values, vectors = torch.linalg.eigh(covariance.double())
    values, vectors = values[-LATENT_CHANNELS:].flip(0), vectors[:, -LATENT_CHANNELS:].flip(1)
    # An eigenvector's own sign is arbitrary: make it reproducible.
    vectors = vectors * vectors.sum(0).sign().where(vectors.sum(0).abs() > 1e-3, vectors[0].sign())
    deviation = values.pow(1 / 3)
    deviation = deviation / deviation.square().mean().sqrt()
    scale = deviation / values.sqrt()
    weight = (vectors * scale).T.float()
    return PatchBasis(
        weight=weight,
        offset=-(weight @ mean),
        back=(vectors / scale).float(),
        mean=mean,
        signs=(vectors * vectors[flipped]).sum(0).sign().float(),
    )


def new_vae(basis: PatchBasis) -> AutoencoderTiny:
    """Return the autoencoder: the encoder is `basis`, the decoder draws smoothed mean colours."""
    vae = AutoencoderTiny(latent_channels=LATENT_CHANNELS)
    with torch.no_grad():
        _write_encoder(vae.encoder, basis)
        _start_decoder(vae.decoder, basis)
    return vae


def _start_decoder(decoder: nn.Module, basis: PatchBasis) -> None:
    """Let the decoder begin as smooth interpolation of the patches' mean colours.

    It has no normalisation: with PyTorch's own initial weights the signal dies out on the way, and training
    stands still for hundreds of steps. Here each latent and its negative pass the ReLUs through channels of
    their own (the first 32) and are smoothed after each doubling; the other channels keep variances.
    """
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in decoder.modules():
        if isinstance(module, AutoencoderTinyBlock):
            nn.init.zeros_(module.conv[4].weight)
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
    colors = basis.back.view(PATCH * PATCH, 3, LATENT_CHANNELS).mean(0)
    last.weight.mul_(0.05)
    last.weight[:, :kept] = 0
    last.weight[:, :LATENT_CHANNELS, 1, 1] = colors
    last.weight[:, LATENT_CHANNELS:kept, 1, 1] = -colors
    last.bias.copy_(basis.mean.view(PATCH * PATCH, 3).mean(0))


def _write_encoder(encoder: nn.Module, basis: PatchBasis) -> None:
    """Write the basis into TAESD's encoder.

    Its blocks end in a ReLU and do nothing else here, which leaves pixels in [0, 1] as they are. Two strided
    convolutions gather 4 x 4 pixels as 48 channels; the third takes all 192 values to each component and to
    its negative, of which the ReLU lets one through; the last convolution subtracts and shifts.
    """
    for parameter in encoder.parameters():
        parameter.zero_()
    first, *strided, last = [m for m in encoder.layers if isinstance(m, nn.Conv2d)]
    for channel in range(3):
        first.weight[channel, channel, 1, 1] = 1
    # Channel (row, column, color) of what was gathered so far; a kernel's centre and what is right and below.
    side = 1
    for convolution in strided[:2]:
        for row in range(2 * side):
            for column in range(2 * side):
                for color in range(3):
                    target = (row * 2 * side + column) * 3 + color
                    source = ((row % side) * side + column % side) * 3 + color
                    convolution.weight[target, source, 1 + row // side, 1 + column // side] = 1
        side *= 2
    grid = basis.weight.view(LATENT_CHANNELS, 2, 4, 2, 4, 3)
    for row in range(2):
        for column in range(2):
            part = grid[:, row, :, column].reshape(LATENT_CHANNELS, 48)
            strided[2].weight[:LATENT_CHANNELS, :48, 1 + row, 1 + column] = part
            strided[2].weight[LATENT_CHANNELS : 2 * LATENT_CHANNELS, :48, 1 + row, 1 + column] = -part
    for channel in range(LATENT_CHANNELS):
        last.weight[channel, channel, 1, 1] = 1
        last.weight[channel, LATENT_CHANNELS + channel, 1, 1] = -1
    last.bias.copy_(basis.offset)


def decoder_loss(vae: AutoencoderTiny, latents: Tensor, pixels: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts for latents `[B, 16, H/8, W/8]` and what they should become."""
    with torch.autocast(pixels.device.type, torch.bfloat16):
        drawn = vae.decoder(latents).float()
    error = drawn - pixels
    flat = error.abs().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    parts = {"l1": flat, "edges": edges, "mse": error.square().mean()}
    return flat + 0.5 * edges, {k: float(v.detach()) for k, v in parts.items()}


class DecoderTrainer:
    """Autoencoder, optimizer, average, and one step of them."""

    def __init__(self, settings: VaeSettings, basis: PatchBasis):
        self.settings, self.basis = settings, basis
        torch.manual_seed(settings.seed)
        self.vae = new_vae(basis).to(memory_format=torch.channels_last)
        parameters = list(self.vae.decoder.parameters())
        self.optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=1e-4)
        self.names = {p: n for n, p in self.vae.decoder.named_parameters()}
        self.average = {n: p.detach().clone() for p, n in self.names.items()}

    def step(self, pixels: Tensor, step: int) -> dict[str, float]:
        """Take optimizer step number `step`, counted from 0."""
        s = self.settings
        latents = self.basis.encode(pixels)
        generator = torch.Generator().manual_seed(s.seed * 10**6 + step)
        noisy = latents + s.noise * torch.randn(latents.shape, generator=generator)
        loss, log = decoder_loss(self.vae, noisy, pixels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(self.names), 1.0)
        share = min(1.0, (step + 1) / s.warmup) * (0.5 + 0.5 * np.cos(np.pi * step / s.steps))
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
        return Resumable(self.names, self.average, [self.optimizer], _comparable(self.settings))

    def averaged(self) -> AutoencoderTiny:
        """Return the autoencoder with the decoder's averaged weights, in float32."""
        vae = new_vae(self.basis)
        vae.decoder.load_state_dict(self.average)
        return vae.eval()


def _comparable(settings: VaeSettings) -> dict[str, Any]:
    """Return what a state must agree about."""
    return {key: value for key, value in asdict(settings).items() if key != "save_every"}


def _batches(pictures: Pictures, settings: VaeSettings, first: int) -> Iterator[Tensor]:
    """Return the pictures of each step from `first` on; they depend on the seed and the step alone."""
    s = settings
    size = pictures.shape[1]
    for step in range(first, s.steps):
        rng = np.random.default_rng([s.seed, step])
        whole = step >= s.whole_from * s.steps
        side = size if whole else s.crop
        count = max(1, s.batch_size * s.crop**2 // size**2) if whole else s.batch_size
        images = pictures[rng.integers(len(pictures), size=count)]
        corners = rng.integers(0, size - side + 1, size=(count, 2))
        flips = np.where(rng.random(count) < 0.5, -1, 1)
        crops = [
            image[y : y + side, x : x + side][:, ::flip]
            for image, (y, x), flip in zip(images, corners, flips, strict=True)
        ]
        yield as_pixels(np.stack(crops)).to(memory_format=torch.channels_last)


def train_decoder(
    settings: VaeSettings, basis: PatchBasis, pictures: Pictures, output: str | Path
) -> AutoencoderTiny:
    """Return the autoencoder with a trained decoder; goes on from the output folder's state.

    Args:
        settings: See `VaeSettings`.
        basis: The encoder.
        pictures: uint8 `[N, 128, 128, 3]`.
        output: Folder of the state and `decoder-metrics.jsonl`.
    """
    out = Path(output)
    out.mkdir(parents=True, exist_ok=True)
    trainer = DecoderTrainer(settings, basis)
    first = trainer.resumable.load(out / STATE_FILE) if (out / STATE_FILE).is_file() else 0
    begin = time.monotonic()
    bar = tqdm(_batches(pictures, settings, first), initial=first, total=settings.steps, desc="decoder")
    with (out / "decoder-metrics.jsonl").open("a", encoding="utf-8") as log:
        for done, pixels in enumerate(bar, start=first + 1):
            line: dict[str, Any] = trainer.step(pixels, done - 1)
            if done % 10 == 0:
                line |= {"step": done, "seconds": round(time.monotonic() - begin, 1)}
                log.write(json.dumps(line) + "\n")
                log.flush()
            if done % settings.save_every == 0 or done == settings.steps:
                trainer.resumable.save(out / STATE_FILE, done)
    return trainer.averaged()


@torch.no_grad()
def reconstruction_psnr(vae: AutoencoderTiny, pictures: Pictures) -> float:
    """Return the mean peak signal-to-noise ratio in dB over uint8 pictures `[N, H, W, 3]`."""
    values: list[float] = []
    for part in np.array_split(pictures, max(1, len(pictures) // 16)):
        pixels = as_pixels(part)
        drawn = vae.decoder(vae.encoder(pixels)).clamp(-1, 1)
        mse = F.mse_loss(drawn, pixels, reduction="none").mean((1, 2, 3)) / 4
        values += (-10 * torch.log10(mse)).tolist()
    return float(np.mean(values))
