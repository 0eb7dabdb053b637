"""Tell the form of a LoRA by its keys, find its scale, and bring it under diffusers' names."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from spatial_core.lora.card import LoraCard, read_card
from spatial_core.lora.layers import Lora, LoraLayer, make_layer
from spatial_core.lora.names import convert_layer, denoiser_of, dotted

ADAPTER_METADATA = "lora_adapter_metadata"
_HALF = re.compile(r"(?P<name>.+)\.(?:lora_(?P<new>A|B|down|up)(?:\.\w+)?|lora\.(?P<old>down|up))\.weight")
_ALPHA = ".alpha"

_COMPONENTS = ("transformer", "unet", "text_encoder", "text_encoder_2", "text_encoder_3")
# Prefix of kohya's names -> component; None: the denoiser. Text encoders are counted from 1 there.
_KOHYA = {
    "lora_unet_": None,
    "lora_transformer_": None,
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te3_": "text_encoder_3",
}
_NO_LORA = {
    "lora_magnitude_vector": "DoRA",
    "dora_scale": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    "lora_mid": "LoCon with a middle factor",
    "oft_": "OFT",
    "lora_embedding_": "LoRA of embeddings",
    ".diff": "a difference of full weights",
    "lora_B.bias": "LoRA with biases",
    "lora_B.default.bias": "LoRA with biases",
}
# These start from other base weights than the published ones, which an adapter file does not hold.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")


def parse_lora(
    tensors: Mapping[str, Tensor],
    *,
    metadata: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    alpha: float | None = None,
) -> Lora:
    """Return the LoRA in a state dict of any known form.

    For a model with a peft adapter: `parse_lora(get_peft_model_state_dict(model),
    config=model.peft_config["default"].to_dict())`.

    Args:
        tensors: Of a file, or from `peft.get_peft_model_state_dict`.
        metadata: Strings of the file's header.
        config: Contents of PEFT's `adapter_config.json`.
        alpha: For PEFT's form where nothing says it.

    Raises:
        ValueError: If there is no LoRA in it, it is of another kind (DoRA, LoKr, ...) or damaged, the names
            are not known, or a PEFT file does not say its alpha.
    """
    metadata = dict(metadata or {})
    halves, alphas = _halves(tensors)
    named = {name: _component(name) for name in halves}
    form = _form({form for form, _, _ in named.values()}, bool(alphas))
    configs = _configs(metadata, config, {component for _, component, _ in named.values()})
    layers: dict[str, LoraLayer] = {}
    sources: set[str] = set()
    for name, (down, up) in halves.items():
        layer = make_layer(name, down, up, 1.0)
        naming, component, path = named[name]
        if name in alphas:
            scale, source = alphas[name] / layer.rank, "the .alpha tensors"
        elif (component or "") in configs:
            scale = _config_scale(configs[component or ""], path, layer.rank)
            source = "adapter_config.json" if config is not None else "the file's metadata"
        elif alpha is not None:
            scale, source = alpha / layer.rank, "the caller"
        elif form == "peft":
            raise ValueError(
                "A file of PEFT's form must come with its alpha, which scales it; nothing here says it. Put "
                "the adapter_config.json of the same download beside it, or give alpha yourself "
                "(spatial lora convert --alpha)."
            )
        else:
            scale, source = 1.0, "nothing: alpha is taken to be the rank, as everywhere"
        sources.add(source)
        for key, converted in _under_diffusers_names(
            name, naming, component, path, LoraLayer(layer.down, layer.up, scale)
        ).items():
            if key in layers:
                raise ValueError(
                    f"Each weight must be changed once; '{key}' is changed twice, the second time by "
                    f"'{name}'. The file mixes two forms: export it again from its trainer."
                )
            layers[key] = converted
    if alpha is not None and "the caller" not in sources:
        raise ValueError(f"This file says its alpha itself (in {sources.pop()}): leave alpha out.")
    card = read_card(metadata)
    base = _base(card, metadata, config)
    return Lora(layers, form, " and ".join(sorted(sources)), metadata, base, card)


def _halves(tensors: Mapping[str, Tensor]) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, float]]:
    """Return both halves and the alpha of each layer, by its name in the file."""
    found: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    foreign: list[str] = []
    for key, value in tensors.items():
        match = _HALF.fullmatch(key)
        if match:
            half = {"A": "down", "B": "up"}.get(match["new"] or "", match["new"] or match["old"])
            pair = found.setdefault(match["name"], {})
            if half in pair:
                raise ValueError(
                    f"'{key}' belongs to a second adapter: a file must hold one. Export one alone."
                )
            pair[half] = value
        elif key.endswith(_ALPHA) and value.numel() == 1:
            alphas[key.removesuffix(_ALPHA)] = float(value)
        else:
            foreign.append(key)
    kind = next((kind for key in foreign for mark, kind in _NO_LORA.items() if mark in key), None)
    if kind:
        raise ValueError(
            f"Only plain LoRA can be used here; this is {kind} ('{foreign[0]}'). Ask its author for a LoRA, "
            "or load it with the tool that made it."
        )
    if not found:
        raise ValueError(
            f"A LoRA holds pairs as 'NAME.lora_A.weight' and 'NAME.lora_B.weight'; here is "
            f"{f'for example {foreign[0]!r}' if foreign else 'nothing'}. It is another kind of file: choose "
            "the LoRA's."
        )
    if foreign:
        raise ValueError(
            f"Names of LoRA weights end in lora_A / lora_B, lora_down / lora_up or alpha; '{foreign[0]}' "
            "does not, and leaving it out would change the result. Export the LoRA without it."
        )
    for name in (*found, *alphas):
        if len(found.get(name, ())) != 2:
            raise ValueError(f"'{name}' has only a part of its weights. The file is damaged: copy it again.")
    return {name: (pair["down"], pair["up"]) for name, pair in found.items()}, alphas


def _component(name: str) -> tuple[str, str | None, str]:
    """Return naming, component (None: the denoiser) and the name without its prefix."""
    form, component = "diffusers", None
    while True:
        head, _, rest = name.partition(".")
        if name.startswith("base_model.model."):
            form, name = "peft", name.removeprefix("base_model.model.")
        elif rest and head in _COMPONENTS and component is None:
            component, name = head, rest
        elif head == "diffusion_model":
            return "comfyui", None, rest
        else:
            break
    if "." in name:
        return form, component, name
    for prefix, part in _KOHYA.items():
        if name.startswith(prefix):
            return "kohya", part, name.removeprefix(prefix)
    # A single word is a path too: a layer at the top of the model.
    if component or form == "peft" or dotted(name) == name:
        return form, component, name
    raise ValueError(
        f"'{name}' is no name that diffusers, PEFT, kohya's sd-scripts or ComfyUI give a layer. Convert the "
        "LoRA to diffusers' form with the tool that made it."
    )


def _form(forms: set[str], has_alphas: bool) -> str:
    if forms == {"diffusers"} and has_alphas:
        return "alpha"
    return next(form for form in ("kohya", "comfyui", "peft", "diffusers") if form in forms)


def _under_diffusers_names(
    name: str, naming: str, component: str | None, path: str, layer: LoraLayer
) -> dict[str, LoraLayer]:
    """Return the layer, split if it is fused in the file, by component and path."""
    if naming == "diffusers" and component:
        return {f"{component}.{path}": layer}
    if component is None:
        converted = convert_layer(path.replace(".", "_"), layer)
        if converted:
            return {f"transformer.{inner}": part for inner, part in converted.items()}
    path = dotted(path) if naming == "kohya" else path
    return {f"{component or denoiser_of(path)}.{path}": layer}


def _configs(
    metadata: Mapping[str, str], config: Mapping[str, Any] | None, components: set[str | None]
) -> dict[str, Mapping[str, Any]]:
    """Return what is said of rank and alpha, by component, "" for a denoiser without prefix."""
    if config is not None:
        _check_config(config)
        return {component or "": config for component in components}
    if ADAPTER_METADATA not in metadata:
        return {}
    try:
        stored: dict[str, Any] = dict(json.loads(metadata[ADAPTER_METADATA]))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"The file's {ADAPTER_METADATA} is damaged ({error}). Copy the file again."
        ) from error
    found: dict[str, Mapping[str, Any]] = {}
    for component in components:
        prefix = f"{component}." if component else ""
        part = {key.removeprefix(prefix): v for key, v in stored.items() if key.startswith(prefix)}
        if "lora_alpha" in part:
            _check_config(part)
            found[component or ""] = part
    return found


def _check_config(config: Mapping[str, Any]) -> None:
    start = config.get("init_lora_weights")
    if config.get("peft_type", "LORA") != "LORA" or not isinstance(config.get("lora_alpha"), int | float):
        raise ValueError(
            f"The adapter's configuration must be of type LORA with a lora_alpha; it is "
            f"{config.get('peft_type')} with {config.get('lora_alpha')}. Only plain LoRA can be used here."
        )
    if config.get("use_dora"):
        raise ValueError(
            "Only plain LoRA can be used here; this is DoRA. Train or ask for it without use_dora."
        )
    if isinstance(start, str) and start.startswith(_CHANGES_BASE):
        raise ValueError(
            f"This adapter was started with '{start}', which changes the base's own weights too. Convert it "
            "to a plain LoRA with PEFT (save_pretrained with path_initial_model_for_weight_conversion) first."
        )


def _config_scale(config: Mapping[str, Any], path: str, rank: int) -> float:
    """Return alpha / rank of a layer as peft computes it."""
    said = _matching(config.get("rank_pattern"), path, config.get("r", rank))
    if said != rank:
        raise ValueError(
            f"The configuration gives '{path}' a rank of {said}; its weights have {rank}. It belongs to "
            "another file: take both from one download."
        )
    alpha = _matching(config.get("alpha_pattern"), path, config["lora_alpha"])
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _matching(patterns: Mapping[str, Any] | None, path: str, default: Any) -> Any:
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return default


def _base(card: LoraCard | None, metadata: Mapping[str, str], config: Mapping[str, Any] | None) -> str:
    if card is not None and (card.base or card.base_class):
        return card.base or card.base_class
    if config is not None and config.get("base_model_name_or_path"):
        return str(config["base_model_name_or_path"])
    return metadata.get("modelspec.architecture", metadata.get("ss_base_model_version", ""))
