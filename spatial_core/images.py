"""The only place that converts images: what people hold in, float CHW in [0, 1] out, patches for models.

Shape letters: B batch, C channels, H height, W width, N patches, T frames per patch, P patch side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name every torch reader expects)
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

ImageLike = Image.Image | str | Path | Tensor | NDArray[Any]
"""One image, or for a 4-d tensor or array a batch."""

ImagesLike = ImageLike | Sequence[ImageLike]

_CHANNELS = (1, 3, 4)

_ROUNDING = 1e-4
"""Overshoot of a float image that is float arithmetic (resizing, compositing) rather than a wrong range."""

_STRIP = 112
"""Rows that are worked on at once on a CPU: of a picture of 1024 columns they fit into its cache."""


def to_tensors(images: ImagesLike) -> list[Tensor]:
    """Return B images as float32 tensors [3, H, W] in [0, 1].

    Accepted, alone or in a sequence: PIL images; paths of image files; arrays or tensors HW, HWC, CHW,
    BHWC or BCHW with 1 (grey), 3 or 4 (alpha) channels, uint8 in [0, 255] or floating point in [0, 1].
    Alpha is composited on white and grey repeated. Channels are taken to come first where both ends could
    be channels. EXIF orientation of files and PIL images is applied. Tensors keep their device and graph.

    Raises:
        ValueError: If a file cannot be read, a shape or type does not fit, or a value is NaN or out of range.
    """
    if isinstance(images, (Image.Image, str, Path, Tensor, np.ndarray)):
        return _one(images, "image")
    return [tensor for place, image in enumerate(images) for tensor in _one(image, f"image {place}")]


def to_batch(images: ImagesLike) -> Tensor | list[Tensor]:
    """Return B images as one float32 tensor [B, 3, H, W] in [0, 1], or a list of [3, H, W] if sizes differ.

    Takes and raises what `to_tensors` does. An empty input is an empty list.
    """
    tensors = to_tensors(images)
    if not tensors or len({tensor.shape for tensor in tensors}) > 1:
        return tensors
    return torch.stack(tensors)


def to_pil(image: Tensor) -> Image.Image:
    """Return [3, H, W] or [1, 3, H, W] in [0, 1] as an 8-bit RGB picture, rounded to the nearest level.

    Raises:
        ValueError: If `image` is not one such image.
    """
    tensors = to_tensors(image.detach())
    if len(tensors) != 1:
        raise ValueError(f"to_pil() takes one image; got {len(tensors)}. Call it once per image.")
    levels = (tensors[0] * 255.0).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(levels, mode="RGB")


def _one(image: ImageLike, name: str) -> list[Tensor]:
    if isinstance(image, (str, Path)):
        return [_from_pil(_read(Path(image)))]
    if isinstance(image, Image.Image):
        return [_from_pil(image)]
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
            raise ValueError(f"{name} must be uint8 or floating point; got an array of {image.dtype}.")
        image = torch.from_numpy(np.ascontiguousarray(image))
    if not isinstance(image, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]  (callers without types)
        raise ValueError(
            f"{name} must be a PIL image, a path, an array or a tensor; got {type(image).__name__}."
        )
    return _from_tensor(image, name)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            opened.load()
            return opened.copy()
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ValueError(
            f"Cannot read {str(path)!r} as an image: {reason}. Check the file or leave it out."
        ) from error


def _from_pil(image: Image.Image) -> Tensor:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        # PIL clips wide grey modes to white when it converts them, so scale them first.
        wide = np.asarray(upright, dtype=np.float64)
        top = 1.0 if upright.mode == "F" else 65535.0
        return _from_tensor(torch.from_numpy((wide / top).astype(np.float32))[None], "image")[0]
    has_alpha = upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info
    levels = np.array(upright.convert("RGBA" if has_alpha else "RGB"))
    # Channels first, because a picture of 3 rows would be taken for one of 3 channels otherwise.
    return _from_tensor(torch.from_numpy(levels).permute(2, 0, 1), "image")[0]


def _from_tensor(image: Tensor, name: str) -> list[Tensor]:
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"{name} must be uint8 or floating point; got {image.dtype}.")
    scaled = image.to(torch.float32)
    if image.dtype == torch.uint8:
        scaled.div_(255.0)
    batch = _channels_first(scaled, name)
    if image.is_floating_point() and batch.numel():
        low, high = (float(end) for end in torch.aminmax(scaled.detach()))
        # A comparison with NaN is false, so this refuses NaN as well.
        if not (low >= -_ROUNDING and high <= 1.0 + _ROUNDING):
            raise ValueError(
                f"{name} must be floating point in [0, 1]; got values in [{low:.4g}, {high:.4g}]. "
                "Divide 0..255 data by 255, map [-1, 1] data by (x + 1) / 2, and look for NaN in the decoder."
            )
        if low < 0.0 or high > 1.0:
            batch = batch.clamp(0.0, 1.0)
    if batch.shape[1] == 4:
        color, alpha = batch[:, :3], batch[:, 3:]
        batch = color * alpha + (1.0 - alpha)
    return list((batch if batch.shape[1] == 3 else batch.expand(-1, 3, -1, -1)).unbind(0))


def _channels_first(image: Tensor, name: str) -> Tensor:
    """Return HW, HWC, CHW, BHWC or BCHW as [B, C, H, W] with C in 1, 3, 4."""
    shape = list(image.shape)
    if image.ndim == 2:
        image = image[None, None]
    elif image.ndim in (3, 4) and shape[-3] in _CHANNELS:
        image = image if image.ndim == 4 else image[None]
    elif image.ndim in (3, 4) and shape[-1] in _CHANNELS:
        image = (image if image.ndim == 4 else image[None]).permute(0, 3, 1, 2)
    else:
        raise ValueError(
            f"{name} must have shape HW, HWC, CHW, BHWC or BCHW with 1, 3 or 4 channels; got {shape}. "
            "For videos, pass the frames as a batch."
        )
    if 0 in image.shape[1:]:
        raise ValueError(f"{name} must have at least one pixel; got shape {shape}.")
    return image


def resize(images: Tensor, height: int, width: int) -> Tensor:
    """Return [..., C, H, W] in [0, 1] resized to `height` x `width` on its own device.

    Bicubic with antialiasing and half-pixel centres, the rule of PIL and of the Qwen image processors,
    without their rounding to 8 bits; overshoot is clamped to [0, 1]. Differentiable.
    """
    flat = images.reshape(-1, *images.shape[-3:]).to(torch.float32)
    if flat.shape[-2:] != (height, width):
        flat = F.interpolate(flat, (height, width), mode="bicubic", antialias=True, align_corners=False)
        flat = flat.clamp(0.0, 1.0)
    return flat.reshape(*images.shape[:-2], height, width)


def resize_in_8_bits(image: Tensor, height: int, width: int) -> Tensor:
    """Return [C, H, W] in [0, 1] resized to `height` x `width`, as uint8 levels.

    The rule of `resize` with the rounding of PIL and of the Qwen image processors (to 8 bits between the two
    directions as well), on natural images within 2 levels of them; on a CPU a third of the time of `resize`.
    Not differentiable.
    """
    image, size, half = image.detach(), (height, width), torch.tensor(0.5, device=image.device)
    levels = torch.empty_like(image, dtype=torch.uint8)
    for part, place in zip(image.split(_STRIP, dim=-2), levels.split(_STRIP, dim=-2), strict=True):
        # int16 on the way, since torch turns floats into bytes one by one.
        place.copy_(torch.add(half, part, alpha=255.0).to(torch.int16))
    return F.interpolate(levels[None], size, mode="bicubic", antialias=True, align_corners=False)[0]


def smart_size(height: int, width: int, *, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Return the (height, width) to which Qwen2-VL's rule resizes an image.

    Both sides are multiples of `factor` (patch size x merge size), their product lies in [`min_pixels`,
    `max_pixels`] where multiples allow it, and the aspect ratio is kept as nearly as possible.

    Raises:
        ValueError: If a side is < 1, or one side is more than 200 times the other (the models' own limit).
    """
    if min(height, width) < 1 or max(height, width) > 200 * min(height, width):
        raise ValueError(
            f"An image must have sides >= 1 with a ratio of at most 200; got {height} x {width}. "
            "Crop or pad it."
        )
    # Python's round is half-to-even, and the reference rounds so as well.
    rows, columns = round(height / factor), round(width / factor)
    if rows * columns * factor**2 > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        rows = max(1, math.floor(height / shrink / factor))
        columns = max(1, math.floor(width / shrink / factor))
    elif rows * columns * factor**2 < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        rows = math.ceil(height * grow / factor)
        columns = math.ceil(width * grow / factor)
    return rows * factor, columns * factor


def patchify(
    images: Tensor | Sequence[Tensor],
    *,
    patch_size: int,
    merge_size: int,
    temporal_patch_size: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> tuple[Tensor, Tensor]:
    """Return images as the normalised patches that Qwen2-VL, 2.5-VL and 3-VL vision towers take.

    Patches of one merge block are neighbours, blocks run row by row, images follow each other. Each still
    image fills all T frames of its patches. Differentiable.

    Args:
        images: [B, C, H, W], or tensors [C, H, W] of any sizes, floating point in [0, 1] or uint8; sides are
            multiples of `patch_size * merge_size`.
        patch_size: P, in pixels.
        merge_size: Patches a side that the tower merges into one token.
        temporal_patch_size: T.
        mean: Subtracted from each channel.
        std: Divides each channel.

    Returns:
        pixel_values float32 [N, C * T * P * P], N over all images, and grid_thw int64 [B, 3] in patches.

    Raises:
        ValueError: If a side is no multiple of `patch_size * merge_size`.
    """
    factor = patch_size * merge_size
    for image in images:
        if image.shape[-2] % factor or image.shape[-1] % factor:
            raise ValueError(
                f"patchify() needs sides that are multiples of {factor}; got {image.shape[-2]} x "
                f"{image.shape[-1]}. Resize to smart_size() first."
            )
    if not len(images):
        return torch.zeros(0, 3 * temporal_patch_size * patch_size**2), torch.zeros(0, 3, dtype=torch.int64)
    first = images[0]
    sides = [(image.shape[-2] // patch_size, image.shape[-1] // patch_size) for image in images]
    shape = (
        sum(rows * columns for rows, columns in sides),
        first.shape[-3] * temporal_patch_size * patch_size**2,
    )
    if first.device.type == "cpu":
        # NumPy asks for large pages, torch does not: of memory not touched before these are ten times faster.
        values = torch.from_numpy(np.empty(shape, dtype=np.float32))
    else:
        values = first.new_empty(shape, dtype=torch.float32)
    # A strip of block rows gives patches that follow each other, so that it can be written by itself.
    strip = max(factor, _STRIP // factor * factor)
    if first.device.type != "cpu":
        strip = max(image.shape[-2] for image in images)
    at = 0
    for part in (part for image in images for part in image.split(strip, dim=-2)):
        top = 255.0 if part.dtype == torch.uint8 else 1.0
        offset, scale = (part.new_tensor(x, dtype=torch.float32).view(-1, 1, 1) * top for x in (mean, std))
        rows, columns = part.shape[-2] // patch_size, part.shape[-1] // patch_size
        blocks = (
            (part - offset)
            .div_(scale)
            .reshape(
                -1, rows // merge_size, merge_size, patch_size, columns // merge_size, merge_size, patch_size
            )
        )
        # [C, block row, row in block, y, block column, column in block, x] -> block, patch, pixel order.
        pixels = blocks.permute(1, 4, 2, 5, 0, 3, 6).unsqueeze(5)
        place = values[at : at + rows * columns]
        place = place.view(*pixels.shape[:5], temporal_patch_size, patch_size, patch_size)
        place.copy_(pixels.expand_as(place))
        at += rows * columns
    grid = [[1, rows, columns] for rows, columns in sides]
    return values, torch.tensor(grid, dtype=torch.int64, device=first.device)


def vision_patches(
    images: Sequence[Tensor], *, processing: Mapping[str, Any], min_pixels: int, max_pixels: int
) -> tuple[Tensor, Tensor]:
    """Return what `patchify` does for images of any size, each resized to `smart_size` first.

    On a CPU, where no gradient is asked for, an image whose size changes is rounded to 8 bits, as PIL rounds
    it: `resize_in_8_bits`.

    Args:
        images: B tensors [3, H, W] in [0, 1].
        processing: `image_mean`, `image_std`, `patch_size`, `merge_size` and `temporal_patch_size`.
        min_pixels: Smallest area.
        max_pixels: Largest area.
    """
    factor = processing["patch_size"] * processing["merge_size"]
    resized: list[Tensor] = []
    for image in images:
        height, width = image.shape[-2:]
        size = smart_size(height, width, factor=factor, min_pixels=min_pixels, max_pixels=max_pixels)
        differentiable = image.requires_grad and torch.is_grad_enabled()
        in_8_bits = size != (height, width) and image.device.type == "cpu" and not differentiable
        resized.append((resize_in_8_bits if in_8_bits else resize)(image, *size))
    return patchify(
        resized,
        patch_size=processing["patch_size"],
        merge_size=processing["merge_size"],
        temporal_patch_size=processing["temporal_patch_size"],
        mean=processing["image_mean"],
        std=processing["image_std"],
    )
