"""Pictures of procedural scenes with prompts that are true of them: a folder of PNGs and a JSONL manifest.

Seeds are gone through in batches, each with a file of its own that is written when its pictures are there, so
a stopped rendering goes on with the next batch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from random import Random

from tqdm import tqdm

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.images import to_pil
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.sampling import judge_scenes
from spatial_trainers.flow.layout import LAYOUT_VERSION, flow_layout
from spatial_trainers.flow.world import FlowWorld, bundled_world
from spatial_trainers.lora.recipe import PictureScenesRecipe
from spatial_trainers.rl.prompts import word_prompt

_FIRST_SEED = 7_000_000_000
"""Beyond the seeds of all other scenes and prompts."""
_BATCH = 32
_MAX_EMPTY = 50
"""Batches without a single picture, after which there are none to be had."""


def render_pictures(recipe: PictureScenesRecipe, *, progress: bool = False) -> Path:
    """Return the manifest of the recipe's pictures, rendering what the cache lacks.

    Raises:
        ValueError: If no scene has as many relations to state as is asked for.
        OSError: If the disk is full; batches that were finished stay.
    """
    settings = asdict(recipe)
    del settings["cache"], settings["count"]
    world = bundled_world()
    facts = {
        "settings": settings,
        "world": asdict(world),
        "layout": LAYOUT_VERSION,
        "renderer": RENDERER_VERSION,
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    folder = Path(recipe.cache) / f"pictures-{key[:16]}"
    manifest = folder / f"first-{recipe.count}.jsonl"
    if manifest.is_file():
        return manifest
    (folder / "images").mkdir(parents=True, exist_ok=True)
    write_text(folder / "settings.json", json.dumps(facts, indent=2) + "\n")
    lines: list[str] = []
    number = empty = 0
    with tqdm(total=recipe.count, desc="rendering pictures", disable=not progress) as bar:
        while len(lines) < recipe.count:
            found = _batch(folder, recipe, world, number)
            lines += found
            bar.update(min(len(found), recipe.count - bar.n))
            number, empty = number + 1, 0 if found else empty + 1
            if empty == _MAX_EMPTY:
                raise ValueError(
                    f"{_MAX_EMPTY * _BATCH} scenes in a row have no prompt of {list(recipe.relations)} "
                    "relations. Ask for other numbers in 'pictures.scenes.relations'."
                )
    # Last: it names pictures that are all there.
    write_text(manifest, "\n".join(lines[: recipe.count]) + "\n")
    return manifest


def _batch(folder: Path, recipe: PictureScenesRecipe, world: FlowWorld, number: int) -> list[str]:
    """Return the manifest's lines of a batch of seeds, whose pictures are written if they are not there."""
    file = folder / f"batch-{number:06}.jsonl"
    if file.is_file():
        return file.read_text("utf-8").splitlines()
    first = _FIRST_SEED + recipe.seed * 100_000_000 + number * _BATCH
    batch = judge_scenes([flow_layout(seed, world) for seed in range(first, first + _BATCH)])
    lines: list[str] = []
    for row, (scene, closure) in enumerate(zip(batch.scenes, batch.closures, strict=True)):
        rng = Random(f"picture|{scene.seed}")
        count = rng.choice(recipe.relations)
        text = word_prompt(scene, closure, count, rng, held_out_family=recipe.held_out_family)
        if text is not None:
            name = f"images/{scene.seed}.png"
            with atomic_path(folder / name) as temporary:
                to_pil(batch.rendering.images[row]).save(temporary, compress_level=1)
            lines.append(json.dumps({"image": name, "prompt": text}))
    write_text(file, "".join(line + "\n" for line in lines))
    return lines
