"""Measure a starter generator with the localizer: does it draw what prompts name, and where they want it.

The prompts come from layouts of seeds that no training uses, and state combinations of the test split alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from spatial_core.language.parser import parse_prompt
from spatial_core.localizer import SpatialLocalizer
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.sampling import estimated_closures
from spatial_core.scenes.scene import Scene
from spatial_core.scorers.geometric import GeometricScorer
from spatial_core.spatial_accuracy import inverse_graph, spatial_accuracy
from spatial_core.statistics import wilson_interval
from spatial_trainers.flow.captions import (
    CaptionSettings,
    caption_pool,
    draw_caption,
    name_things,
    of_things,
)
from spatial_trainers.flow.judge import judge_starter_scenes
from spatial_trainers.flow.layout import flow_layout
from spatial_trainers.flow.world import FlowWorld, bundled_world

_FIRST_SEED = 3_000_000_000
TOKENS = 64
"""Text tokens; longer prompts are cut, and padding beyond that costs time and a little quality."""


@dataclass(frozen=True)
class Prompt:
    """A held-out prompt.

    Attributes:
        text: The prompt.
        names: What it names, furniture aside, with colour and pattern: "striped red cup".
    """

    text: str
    names: tuple[str, ...]


def held_out_prompts(
    count: int,
    *,
    named: int | None = None,
    relations: bool = True,
    invertible: bool = False,
    world: FlowWorld | None = None,
) -> list[Prompt]:
    """Return prompts of test combinations, one to four relations.

    Args:
        count: How many.
        named: Only prompts that name so many things, also where `world` has no scenes of so many.
        relations: Whether they state relations, or only name things.
        invertible: Only prompts that `spatial_accuracy` can judge beside chance.
        world: What they speak of; what the bundled flow model draws if None.
    """
    world = world or bundled_world()
    if named is not None and named > max(world.counts):
        world = replace(world, counts=(named,))
    made = (p for p in _prompts(named, relations, world) if not invertible or _has_inverse(p))
    return [prompt for _, prompt in zip(range(count), made, strict=False)]


def _has_inverse(prompt: Prompt) -> bool:
    return bool(inverse_graph(parse_prompt(prompt.text)).relations)


def _prompts(named: int | None, relations: bool, world: FlowWorld) -> Iterator[Prompt]:
    settings = CaptionSettings(names_only=0.0)
    seed = _FIRST_SEED
    while True:
        scenes = [flow_layout(seed + k, world) for k in range(32)]
        for k, (scene, closure) in enumerate(zip(scenes, estimated_closures(scenes), strict=True)):
            rng = Random(f"prompt|{seed + k}")
            if relations:
                pool = caption_pool(scene, closure.statements(), mirrored=False, split="test")
                caption = draw_caption(scene, of_things(pool), settings, rng)
            else:
                caption = name_things(scene, rng)
            if caption is None:
                continue
            names = tuple(
                _name(scene, i) for i in dict.fromkeys(i for i, _ in caption.mentions) if _is_thing(scene, i)
            )
            # A kind named without its colour would do in any colour.
            if all(name in caption.text.lower() for name in names) and named in (None, len(names)) and names:
                yield Prompt(caption.text, names)
        seed += 32


def _is_thing(scene: Scene, index: int) -> bool:
    return OBJECT_KINDS[scene.objects[index].kind].category == "object"


def _name(scene: Scene, index: int) -> str:
    state = scene.objects[index]
    pattern = () if state.pattern == "plain" else (state.pattern,)
    return " ".join((*pattern, state.color, state.kind))


@torch.no_grad()
def draw(
    pipeline: DiffusionPipeline, prompts: list[str], *, steps: int = 12, guidance_scale: float = 3.5
) -> torch.Tensor:
    """Return one picture of each prompt, float `[N, 3, 128, 128]` in [0, 1]; picture i has seed i."""
    images: list[torch.Tensor] = []
    for start in range(0, len(prompts), 16):
        some = prompts[start : start + 16]
        generators = [torch.Generator().manual_seed(start + k) for k in range(len(some))]
        call: Any = pipeline
        images.append(
            call(
                some,
                height=128,
                width=128,
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                max_sequence_length=TOKENS,
                generator=generators,
                output_type="pt",
            ).images
        )
    return torch.cat(images)


def presence(images: torch.Tensor, prompts: list[Prompt], localizer: SpatialLocalizer) -> dict[str, float]:
    """Return the share of named things that are found with kind, colour and pattern, and of full pictures."""
    found = [
        [any(d.name == name for d in localizer.detect(image[None], [name])[0]) for name in prompt.names]
        for image, prompt in zip(images, prompts, strict=True)
    ]
    flat = [hit for row in found for hit in row]
    low, high = wilson_interval(sum(flat), len(flat))
    return {
        "things": float(np.mean(flat)),
        "low": low,
        "high": high,
        "whole": float(np.mean([all(row) for row in found])),
        "prompts": len(prompts),
    }


def measure(
    pipeline: DiffusionPipeline,
    localizer: SpatialLocalizer,
    *,
    prompts: int,
    steps: int = 12,
    world: FlowWorld | None = None,
) -> dict[str, Any]:
    """Return presence for two to four named things, with and without relations, and the spatial accuracy.

    "judge on rendered scenes" says what the localizer tells of as many scenes (at least 32) whose truth is
    known.
    """
    world = world or bundled_world()
    table: dict[str, Any] = {}
    for named in (2, 3, 4):
        for relations in (False, True):
            asked = held_out_prompts(max(1, prompts // 4), named=named, relations=relations, world=world)
            images = draw(pipeline, [p.text for p in asked], steps=steps)
            key = f"presence of {named}, {'with' if relations else 'no'} relations"
            table[key] = presence(images, asked, localizer)
    asked = held_out_prompts(prompts, invertible=True, world=world)
    images = draw(pipeline, [p.text for p in asked], steps=steps)
    result = spatial_accuracy(images, [p.text for p in asked], GeometricScorer(localizer, localizer))
    table["spatial accuracy"] = {
        "accuracy": result.accuracy,
        "interval": result.interval,
        "chance": result.chance,
        "chance_interval": result.chance_interval,
        "relations": result.relations,
        "prompts": len(asked),
    }
    table["judge on rendered scenes"] = judge_starter_scenes(localizer, max(32, prompts), world)
    return table
