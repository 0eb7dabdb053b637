"""The training card of a LoRA: JSON under `spatial_card` in the file's metadata, and the `modelspec` keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

CARD_KEY = "spatial_card"
CARD_SCHEMA = 1

# Class of the denoiser -> (modelspec.architecture, ss_base_model_version). The names are sd-scripts'; classes
# that are not here go by their own name.
_ARCHITECTURES = {
    "FluxTransformer2DModel": ("flux-1-dev", "flux1"),
    "SD3Transformer2DModel": ("stable-diffusion-3", "sd3"),
    "QwenImageTransformer2DModel": ("qwen-image", "qwen_image"),
    "LuminaTransformer2DModel": ("lumina-2", "lumina2"),
}


@dataclass(frozen=True)
class LoraCard:
    """How a LoRA was trained and what it is good for. Everything has a neutral value: say what is known.

    Attributes:
        base: Hub id or name of the model it was trained for.
        base_class: diffusers class of the denoiser, as "FluxTransformer2DModel".
        base_hash: sha256 that tells the denoiser's weights from others.
        reward: Name of the reward it was trained with.
        reward_hash: sha256 of the reward's file.
        recipe: The settings of the training.
        steps: Updates done.
        measured: Figures before and after with their number of prompts, and who judged.
        recommended: Settings for use, as {"strength": 1.0, "num_inference_steps": 28, "guidance_scale": 3.5}.
        licence: Of the LoRA.
        notes: One sentence for people.
    """

    base: str = ""
    base_class: str = ""
    base_hash: str = ""
    reward: str = ""
    reward_hash: str = ""
    recipe: Mapping[str, Any] = field(default_factory=dict[str, Any])
    steps: int = 0
    measured: Mapping[str, Any] = field(default_factory=dict[str, Any])
    recommended: Mapping[str, Any] = field(default_factory=dict[str, Any])
    licence: str = ""
    notes: str = ""

    def to_json(self) -> str:
        """Return the card as it stands in a file, with the schema's version."""
        return json.dumps({"schema": CARD_SCHEMA, **asdict(self)})

    def lines(self) -> list[str]:
        """Return what it says, one "name: value" a line, for people."""
        said = {f.name.replace("_", " "): getattr(self, f.name) for f in fields(self)}
        return [f"{name}: {_words(value)}" for name, value in said.items() if value]


def _words(value: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


def read_card(metadata: Mapping[str, str]) -> LoraCard | None:
    """Return the card in a file's metadata, None if there is none.

    A card of a newer schema comes back with a note that says so, since the weights are good all the same.

    Raises:
        ValueError: If it is damaged.
    """
    text = metadata.get(CARD_KEY)
    if text is None:
        return None
    try:
        stored: dict[str, Any] = dict(json.loads(text))
        schema = int(stored.pop("schema"))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"The training card in the file's metadata is damaged ({error}). Copy the file again."
        ) from error
    if schema > CARD_SCHEMA:
        return LoraCard(notes=f"The card is of schema {schema}: update spatial-diffusion to read it.")
    known = {f.name for f in fields(LoraCard)}
    return LoraCard(**{key: value for key, value in stored.items() if key in known})


def modelspec(base_class: str, *, title: str, card: LoraCard) -> dict[str, str]:
    """Return the `modelspec.*` and `ss_base_model_version` entries that model managers read.

    See https://github.com/Stability-AI/ModelSpec, version 1.0.1.

    Args:
        base_class: diffusers class of the denoiser.
        title: Name shown to people.
        card: Its notes and licence are repeated there.
    """
    architecture, version = _ARCHITECTURES.get(base_class, (base_class, base_class))
    entries = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": title,
        "modelspec.description": card.notes,
        "modelspec.license": card.licence,
        "ss_base_model_version": version,
    }
    return {key: value for key, value in entries.items() if value}
