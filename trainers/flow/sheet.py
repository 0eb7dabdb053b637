"""Sheets of samples, to be looked at while the starter flow model trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import FluxPipeline
from PIL import Image, ImageDraw

from spatial_core.atomic_files import atomic_path

PROMPTS: tuple[str, ...] = (
    "a red ball to the left of a blue bottle",
    "a blue bottle to the left of a red ball",
    "a green ball on a yellow box",
    "a yellow box on a green ball",
    "a purple bottle behind a black book",
    "an orange cube in front of a cyan bottle",
    "a brown clock above a black book",
    "a green ball inside a brown box",
    "a red chair next to a green cone",
    "a blue car far from a yellow cone",
    "a cyan ball between a red cube and a blue cylinder",
    "a black book leaning against a purple box",
    "a green cone to the right of a purple bowl, an orange ball to the left of the purple bowl",
    "A cyan clock is on a brown cube. A red bowl is to the right of the brown cube.",
    "a red ball, a yellow bowl and a blue car",
    "a green chair, a black clock, a red bottle and a purple cone",
)


def save_sheet(pipeline: FluxPipeline, path: Path, *, guidance_scale: float = 3.5, steps: int = 12) -> None:
    """Draw two pictures of each prompt and write them with their prompts as a PNG."""
    pipeline.set_progress_bar_config(disable=True)
    side, height = 128, 150
    sheet = Image.new("RGB", (8 * side, 4 * height), "white")
    draw = ImageDraw.Draw(sheet)
    with torch.no_grad():
        for start in (0, 8):
            prompts = list(PROMPTS[start : start + 8])
            images = pipeline(
                prompts,
                height=side,
                width=side,
                num_inference_steps=steps,
                guidance_scale=guidance_scale,
                num_images_per_prompt=2,
                max_sequence_length=64,
                generator=torch.Generator().manual_seed(0),
                output_type="np",
            ).images
            for k, image in enumerate(images):
                row, column = start // 8 * 2 + k // 2 // 4, (k // 2 % 4) * 2 + k % 2
                at = (column * side, row * height)
                sheet.paste(Image.fromarray((image * 255).round().astype(np.uint8)), at)
                if k % 2 == 0:
                    text = prompts[k // 2]
                    draw.text((at[0] + 2, at[1] + side), text[:44], fill="black", font_size=9)
                    draw.text((at[0] + 2, at[1] + side + 10), text[44:], fill="black", font_size=9)
    with atomic_path(path) as temporary:
        sheet.save(temporary)
