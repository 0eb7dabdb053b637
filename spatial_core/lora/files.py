"""LoRA files: read any form, check it against a base, write the one form that loads right everywhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spatial_core.atomic_files import atomic_path
from spatial_core.lora.card import CARD_KEY, LoraCard, modelspec
from spatial_core.lora.forms import ADAPTER_METADATA, parse_lora
from spatial_core.lora.layers import Lora, by

LORA_FILE = "pytorch_lora_weights.safetensors"
_PEFT_FILE, _PEFT_CONFIG = "adapter_model.safetensors", "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_BASE_PARTS = ("transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3")


@dataclass(frozen=True)
class BaseModel:
    """What has to be known of a base to check a LoRA against it.

    Attributes:
        name: Of its folder.
        base_class: diffusers class of its denoiser.
        shapes: Shape of every weight, by component and module path.
    """

    name: str
    base_class: str
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Fit:
    """How a LoRA fits a base.

    Attributes:
        matched: Weights of the LoRA that the base has in that shape.
        total: Weights of the LoRA.
        missing: Those that the base does not have.
        misshapen: Those that it has in another shape, with both shapes.
    """

    matched: int
    total: int
    missing: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every weight fits."""
        return self.matched == self.total

    def explain(self) -> str:
        """Return one or two sentences: "27/27 weights fit", or what does not and what it means."""
        share = f"{self.matched}/{self.total} weights fit"
        if self.complete:
            return share
        example = f"the base has no '{self.missing[0]}'" if self.missing else self.misshapen[0]
        partly = ", and only a part of it would act" if self.matched else ""
        return (
            f"{share}: {example}. It was trained for another base{partly}. Choose the one it was trained for."
        )


def read_lora(path: str | Path, *, alpha: float | None = None) -> Lora:
    """Return the LoRA in a safetensors file, or in a folder as PEFT or diffusers write it.

    Args:
        path: File or folder.
        alpha: For a file of PEFT's form without its `adapter_config.json`.

    Raises:
        FileNotFoundError: If there is no such file, or the folder holds no LoRA.
        ValueError: If it is a pickle, corrupt, no LoRA, of an unknown form, or lacks its scale.
    """
    path = Path(path)
    file = _file_of(path) if path.is_dir() else path
    if file.suffix.lower() in _PICKLES:
        raise ValueError(
            f"Only safetensors files are opened; {file} is a pickle, which can run any code. Ask for the "
            "safetensors file of the same LoRA."
        )
    tensors, metadata = _read_tensors(file)
    config = None
    beside = file.with_name(_PEFT_CONFIG)
    if beside.is_file() and (file.name == _PEFT_FILE or any("base_model.model." in key for key in tensors)):
        config = _read_json(beside)
    elif file.name == _PEFT_FILE and path.is_dir() and alpha is None:
        raise ValueError(
            f"A PEFT folder must hold {_PEFT_CONFIG}, which says how strong the LoRA is; {path} does not. "
            "Copy it from the same download, or give alpha yourself (spatial lora convert --alpha)."
        )
    try:
        return parse_lora(tensors, metadata=metadata, config=config, alpha=alpha)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def save_lora(
    lora: Lora,
    path: str | Path,
    *,
    card: LoraCard | None = None,
    base_class: str = "",
    title: str = "",
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a LoRA folded, so that it acts alike in diffusers and in ComfyUI, and return the file's path.

    Names are diffusers', alpha is the rank, and the metadata holds it, `modelspec.*` and the training card.
    For a UNet the names are kohya's with `.alpha` tensors: ComfyUI does not know diffusers' names there.

    Args:
        lora: From `read_lora` or `parse_lora`.
        path: A file ending in .safetensors, or a folder (made if missing) that gets
            `pytorch_lora_weights.safetensors`.
        card: The LoRA's own if None.
        base_class: diffusers class of the base's denoiser, which names the architecture; the card's if "".
        title: Name shown to people; the file's name if "".
        dtype: Of the stored weights; their own if None.

    Raises:
        OSError: If the disk is full; an older file is left as it was.
    """
    path, card = Path(path), card or lora.card or LoraCard()
    if path.suffix != ".safetensors":
        path.mkdir(parents=True, exist_ok=True)
        path /= LORA_FILE
    state = {key: value.detach().cpu().to(dtype or value.dtype) for key, value in lora.state_dict().items()}
    metadata = _kept(lora.metadata) | {"format": "pt"}
    if lora.denoiser != "unet":
        metadata[ADAPTER_METADATA] = _adapter(lora)
    if card != LoraCard():
        metadata[CARD_KEY] = card.to_json()
    if base_class or card.base_class:
        metadata |= modelspec(base_class or card.base_class, title=title or path.stem, card=card)
    with atomic_path(path) as temporary:
        save_file(state, temporary, metadata=metadata)
    return path


def read_base(folder: str | Path) -> BaseModel:
    """Return names and shapes of a base's weights from the headers of its files; no weight is read.

    Args:
        folder: A pipeline as diffusers saves it, or its denoiser's folder alone.

    Raises:
        FileNotFoundError: If it holds no denoiser in safetensors.
        ValueError: If a file is corrupt.
    """
    folder = Path(folder)
    parts = {part: folder / part for part in _BASE_PARTS if (folder / part / "config.json").is_file()}
    if not parts and (folder / "config.json").is_file():
        parts = {"": folder}
    shapes: dict[str, tuple[int, ...]] = {}
    base_class = ""
    for part, place in parts.items():
        found = _shapes(place)
        name = str(_read_json(place / "config.json").get("_class_name", ""))
        if not part:
            part = "unet" if "UNet" in name else "transformer"
        if part in ("transformer", "unet"):
            base_class = name
        shapes |= {f"{part}.{key}": shape for key, shape in found.items()}
    if not any(key.startswith(("transformer.", "unet.")) for key in shapes):
        raise FileNotFoundError(
            f"A base is a folder with a transformer or unet in safetensors, as diffusers saves it; {folder} "
            "is none. Name the pipeline's folder."
        )
    return BaseModel(folder.resolve().name, base_class, shapes)


def check_fit(lora: Lora, shapes: Mapping[str, Sequence[int]]) -> Fit:
    """Return how a LoRA fits a base.

    Args:
        lora: From `read_lora`.
        shapes: Shape of every weight of the base, by component and module path without ".weight", as in
            "transformer.transformer_blocks.0.attn.to_q".
    """
    missing = tuple(key for key in lora.layers if key not in shapes)
    misshapen = tuple(
        f"the update of '{key}' is {by(layer.shape)}, the base's weight {by(tuple(shapes[key]))}"
        for key, layer in lora.layers.items()
        if key in shapes and layer.shape != tuple(shapes[key])
    )
    return Fit(len(lora.layers) - len(missing) - len(misshapen), len(lora.layers), missing, misshapen)


def _file_of(folder: Path) -> Path:
    """Return the LoRA's file in a folder."""
    for name in (_PEFT_FILE, LORA_FILE):
        if (folder / name).is_file():
            return folder / name
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return files[0]
    pickles = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _PICKLES]
    if pickles and not files:
        return pickles[0]
    raise FileNotFoundError(
        f"A LoRA's folder holds {_PEFT_FILE} or {LORA_FILE}; {folder} holds {len(files)} safetensors files "
        "of other names. Name the file itself."
    )


def _read_tensors(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not file.is_file():
        raise FileNotFoundError(f"There is no file {file}. Look at its name and folder.")
    try:
        with safe_open(file, framework="pt") as reader:
            return {key: reader.get_tensor(key) for key in reader.keys()}, dict(reader.metadata() or {})
    except SafetensorError as error:
        raise ValueError(
            f"{file} is not a readable safetensors file ({error}). It is damaged, cut off or of another "
            "kind: download or copy it again."
        ) from error


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt") as reader:
                for key in reader.keys():
                    if key.endswith(".weight"):
                        shapes[key.removesuffix(".weight")] = tuple(reader.get_slice(key).get_shape())
        except SafetensorError as error:
            raise ValueError(
                f"{file} is not a readable safetensors file ({error}). Download or copy it again."
            ) from error
    return shapes


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is not readable JSON ({error}). Download or copy it again.") from error


def _kept(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return what stays true of a LoRA that is written anew: not its rank, alpha and hashes."""
    return {
        k: v
        for k, v in metadata.items()
        if not k.startswith(("ss_network_", "sshs_", "modelspec.hash", ADAPTER_METADATA))
    }


def _adapter(lora: Lora) -> str:
    """Return what diffusers hands to peft: for each component, ranks and alphas equal to them."""
    adapter: dict[str, Any] = {}
    for component in sorted({key.split(".")[0] for key in lora.layers}):
        ranks = {path: layer.rank for path, layer in lora.component(component).items()}
        rank = Counter(ranks.values()).most_common(1)[0][0]
        # Anchored, and one expression: a name at the top of the model is the end of others ("proj_out").
        other = {f"^{re.escape(path)}": r for path, r in ranks.items() if r != rank}
        part: dict[str, Any] = {"r": rank, "lora_alpha": rank, "rank_pattern": other, "alpha_pattern": other}
        part["target_modules"] = "|".join(map(re.escape, sorted(ranks)))
        adapter |= {f"{component}.{key}": value for key, value in part.items()}
    return json.dumps(adapter, sort_keys=True)
