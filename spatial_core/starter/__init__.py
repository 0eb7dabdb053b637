"""The bundled starter models: small, trained on procedural table-top scenes alone, and usable offline."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

StarterName = Literal["reward", "backbone", "vqa", "localizer", "flow", "lora"]

_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "reward": ("reward", ("spatial_score.safetensors",)),
    "backbone": ("backbone", ("config.json", "model.safetensors", "tokenizer.json")),
    "localizer": ("localizer", ("config.json", "localizer.safetensors")),
    "flow": ("flow", ("model_index.json", "transformer/diffusion_pytorch_model.safetensors")),
    "lora": ("lora", ("pytorch_lora_weights.safetensors",)),
}

_MADE_BY = {
    "reward": "spatial train-reward starter",
    "backbone": "spatial pretrain-starter pretrain-starter",
    "localizer": "spatial train-localizer localizer",
    "flow": "spatial train-starter starter-flow",
    "lora": "spatial train-rl rl-starter",
}


def starter_path(name: StarterName) -> Path:
    """Return the folder of a bundled model.

    Args:
        name: "reward" for the folder of the judge file, whose backbone lies beside it; "backbone" or "vqa"
            for the Hugging Face folder of the small Qwen3-VL; "localizer" for the judge of generators;
            "flow" for the diffusers folder of the text-to-image model; "lora" for the folder of the LoRA that
            online RL made of it.

    Raises:
        ValueError: If no such model is bundled.
        FileNotFoundError: If its files are not installed.
    """
    key = "backbone" if name == "vqa" else name
    if key not in _FILES:
        raise ValueError(f"The bundled starter models are {', '.join(_FILES)}; got '{name}'.")
    folder, files = _FILES[key]
    here = Path(__file__).parent
    wanted = [here / folder / file for file in files]
    if key == "reward":
        wanted += [here / "backbone" / file for file in _FILES["backbone"][1]]
    missing = [path.relative_to(here).as_posix() for path in wanted if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"The starter model '{name}' needs {', '.join(missing)} in {here}. This version of the package "
            f"may not bring it: install a later one, make the weights with '{_MADE_BY[key]}' and name their "
            "folder, or name another model."
        )
    return here / folder
