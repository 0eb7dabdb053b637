"""What a LoRA is trained on without RL: prompts, each with a picture or with a better and a worse one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path
from spatial_core.images import resize
from spatial_trainers.fingerprint import module_sha256
from spatial_trainers.latents import encode_latents, side_unit
from spatial_trainers.lora.recipe import PairsRecipe, PicturesRecipe
from spatial_trainers.pairs.data import comparisons, read_manifest
from spatial_trainers.pairs.records import ImageReference

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class Example:
    """A prompt with its picture, or with the chosen and the rejected one.

    Attributes:
        prompt: What the pictures are of.
        pictures: One or two.
        digests: sha256 of each.
        latents: File of `save_latents`, where the pictures were made from latents: encoding them again would
            blur what is learnt.
    """

    prompt: str
    pictures: tuple[ImageReference, ...]
    digests: tuple[str, ...]
    latents: Path | None = None


def examples_sha256(examples: Sequence[Example]) -> str:
    """Return a sha256 over prompts and pictures."""
    return hashlib.sha256(json.dumps([[e.prompt, *e.digests] for e in examples]).encode()).hexdigest()


def make_example(prompt: str, pictures: Sequence[ImageReference], *, latents: Path | None = None) -> Example:
    """Return the example; pictures whose sha256 is not known are read for it.

    Raises:
        ValueError: If a picture cannot be read.
    """
    digests = tuple(p.sha256 or hashlib.sha256(p.read_bytes()).hexdigest() for p in pictures)
    return Example(prompt, tuple(pictures), digests, latents)


def read_pictures(recipe: PicturesRecipe) -> list[Example]:
    """Return the pictures with their captions, by name or in the manifest's order.

    Raises:
        ValueError: If there is none, a caption is missing or empty, or a line of the manifest is unusable.
        OSError: If pictures of scenes cannot be written.
    """
    if recipe.folder:
        found = _folder(Path(recipe.folder), recipe.caption)
    elif recipe.manifest:
        found = _manifest(Path(recipe.manifest))
    else:
        from spatial_trainers.lora.scene_pictures import render_pictures

        assert recipe.scenes is not None
        found = _manifest(render_pictures(recipe.scenes, progress=True))
    return [make_example(prompt, [ImageReference(path, None, "")]) for path, prompt in found]


def _folder(folder: Path, caption: str) -> list[tuple[Path, str]]:
    if not folder.is_dir():
        raise ValueError(f"'pictures.folder' must be a folder with pictures; {folder} is none.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{folder} holds no picture ({', '.join(SUFFIXES)}).")
    found: list[tuple[Path, str]] = []
    for path in paths:
        beside = path.with_suffix(".txt")
        try:
            text = beside.read_text("utf-8-sig").strip() if beside.is_file() else caption.strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"{beside} is not text in UTF-8. Save it as UTF-8.") from error
        if not text:
            raise ValueError(
                f"{path.name} has no caption. Write {beside.name} beside it, or set 'pictures.caption' for "
                "all that have none."
            )
        found.append((path, " ".join(text.split())))
    return found


def _manifest(file: Path) -> list[tuple[Path, str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"Cannot read 'pictures.manifest' {file}: {error}. It is a JSONL file of pictures and captions."
        ) from error
    found: list[tuple[Path, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{file}, line {number}: not JSON ({error.msg}). Correct or remove it."
            ) from error
        known = record if isinstance(record, dict) else {}
        image, prompt = known.get("image", known.get("file_name")), known.get("prompt", known.get("text"))
        if not all(isinstance(value, str) and value.strip() for value in (image, prompt)):
            raise ValueError(
                f'{file}, line {number}: must be an object with the texts "image" and "prompt". Correct or '
                "remove it."
            )
        path = file.parent / image
        if not path.is_file():
            raise ValueError(f"{file}, line {number}: names the image {path}, which is not there.")
        found.append((path, prompt.strip()))
    if not found:
        raise ValueError(f"{file} holds no pictures.")
    return found


def read_pairs(recipe: PairsRecipe) -> list[Example]:
    """Return the training pairs, the chosen picture first.

    Raises:
        ValueError: If the manifest is unusable, or has no pairs of the split "train".
    """
    manifest = recipe.manifest
    if recipe.scenes is not None:
        from spatial_trainers.pairs.scene_pairs import render_pairs

        manifest = str(render_pairs(recipe.scenes))
    pairs = read_manifest(manifest).splits["train"]
    if not pairs:
        raise ValueError(f"{manifest} has no pairs of the split 'train'.")
    found: list[Example] = []
    for case in comparisons(pairs, symmetric=recipe.symmetric):
        both = [case.pair.chosen, case.pair.rejected]
        found.append(make_example(case.graph.text, both[::-1] if case.other_way else both))
    return found


@dataclass(frozen=True, eq=False)
class Latents:
    """An example as the denoiser learns it.

    Attributes:
        prompt: Its text.
        latents: float32 `[1 or 2, ...]` in the base's layout, chosen first.
        height, width: Of the pictures, in pixels.
    """

    prompt: str
    latents: Tensor
    height: int
    width: int


class LatentCache:
    """Latents of pictures, computed once and kept on disk; a folder may serve several runs."""

    def __init__(self, pipeline: Any, folder: str | Path, *, resolution: int) -> None:
        """Look at the pipeline's autoencoder.

        Args:
            pipeline: Of a family that `encode_latents` knows.
            folder: Of the files; made if missing.
            resolution: Pictures are shrunk to the area of a square of this side.
        """
        self._pipeline, self._folder, self._resolution = pipeline, Path(folder), resolution
        self._key = module_sha256(pipeline.vae)

    def encode(self, examples: Sequence[Example], *, progress: bool = False) -> None:
        """Compute what is missing.

        Raises:
            ValueError: If a picture cannot be read; names it.
            OSError: If the disk is full; what was computed before is kept.
        """
        missing = [example for example in examples if not self._path(example).is_file()]
        for example in tqdm(missing, desc="encoding pictures", disable=not progress or not missing):
            pictures = [picture.read() for picture in example.pictures]
            height, width = fitted_size(
                *pictures[0].shape[-2:], resolution=self._resolution, unit=side_unit(self._pipeline)
            )
            # One at a time: what a picture becomes must not depend on its company.
            latents = [
                encode_latents(self._pipeline, resize(p[None], height, width)).float().cpu() for p in pictures
            ]
            path = self._path(example)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_latents(path, torch.cat(latents), height=height, width=width)

    def read(self, example: Example) -> Latents:
        """Return an example that has been encoded."""
        stored = load_file(self._path(example))
        height, width = stored["size"].tolist()
        return Latents(example.prompt, stored["latents"], height, width)

    def _path(self, example: Example) -> Path:
        if example.latents is not None:
            return example.latents
        facts = [self._key, self._resolution, *example.digests]
        name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
        return self._folder / name[:2] / f"{name}.safetensors"


def save_latents(path: Path, latents: Tensor, *, height: int, width: int) -> None:
    """Write the latents of an example, `[1 or 2, ...]` in the base's layout, and the size in pixels.

    Raises:
        OSError: If the disk is full; no half file stays.
    """
    tensors = {"latents": latents.float().contiguous(), "size": torch.tensor([height, width])}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)


def fitted_size(height: int, width: int, *, resolution: int, unit: int) -> tuple[int, int]:
    """Return the height and width that a picture is trained at: shrunk to an area, never enlarged.

    Args:
        height, width: Of the picture.
        resolution: Side of the square that has the largest area allowed.
        unit: What the sides must be multiples of.
    """
    scale = min(1.0, resolution / (height * width) ** 0.5)
    return max(unit, round(height * scale / unit) * unit), max(unit, round(width * scale / unit) * unit)
