"""What a LoRA is once it is read: low-rank updates of named weights, and how they are added to a model.

Folded means that alpha / rank is multiplied into the upper half (`lora_B`), so the update of a weight is
`lora_B @ lora_A` and no scale has to travel beside the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spatial_core.lora.card import LoraCard

_A, _B = ".lora_A.weight", ".lora_B.weight"
_KOHYA = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
_FORMS = {
    "diffusers": "diffusers",
    "alpha": "diffusers with .alpha",
    "peft": "PEFT",
    "kohya": "kohya",
    "comfyui": "ComfyUI",
}


@dataclass(frozen=True)
class LoraLayer:
    """The update of one weight: `scale * up @ down`.

    Attributes:
        down: `[rank, in]`, or `[rank, in, height, width]` of a convolution.
        up: `[out, rank]`, or `[out, rank, 1, 1]`.
        scale: alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA.
    """

    down: Tensor
    up: Tensor
    scale: float

    @property
    def rank(self) -> int:
        """Rank of the update."""
        return self.down.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight it changes."""
        return (self.up.shape[0], *self.down.shape[1:])

    def folded(self) -> Tensor:
        """Return `up` with the scale multiplied in, in its own type."""
        return (self.up.float() * self.scale).to(self.up.dtype)


@dataclass(frozen=True)
class Lora:
    """A LoRA under diffusers' names, whatever the form of its file.

    Attributes:
        layers: By component and module path, as in "transformer.transformer_blocks.0.attn.to_q".
        form: Naming of the file: "diffusers", "alpha" (diffusers with `.alpha` tensors), "peft", "kohya" or
            "comfyui" (`diffusion_model.*`).
        alpha_from: What told the scale, in words: "adapter_config.json", "the .alpha tensors", ...
        metadata: Strings of the file's header.
        base: The model it was trained for, as far as the file says; "" if it does not.
        card: How it was trained, where our trainers made it.
    """

    layers: Mapping[str, LoraLayer]
    form: str
    alpha_from: str
    metadata: Mapping[str, str]
    base: str = ""
    card: LoraCard | None = None

    @property
    def form_name(self) -> str:
        """The form's name for people."""
        return _FORMS[self.form]

    @property
    def denoiser(self) -> str:
        """Return the component that it mainly changes: "transformer" or "unet", else a text encoder."""
        components = {key.split(".")[0] for key in self.layers}
        return next(name for name in ("transformer", "unet", *sorted(components)) if name in components)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Return the ranks that occur, ascending."""
        return tuple(sorted({layer.rank for layer in self.layers.values()}))

    @property
    def scales(self) -> tuple[float, ...]:
        """Return the scales that occur, ascending."""
        return tuple(sorted({layer.scale for layer in self.layers.values()}))

    def component(self, name: str) -> dict[str, LoraLayer]:
        """Return the layers of one component by module path."""
        prefix = f"{name}."
        return {k.removeprefix(prefix): v for k, v in self.layers.items() if k.startswith(prefix)}

    def state_dict(self) -> dict[str, Tensor]:
        """Return the folded weights under names that diffusers and ComfyUI both know.

        They are diffusers', as `pipeline.load_lora_weights` takes them (before diffusers 0.40 only if all
        ranks are the same: it took one layer's strength for all). For a UNet they are kohya's, with alpha
        equal to the rank, since ComfyUI does not know diffusers' names there.
        """
        state: dict[str, Tensor] = {}
        is_unet = self.denoiser == "unet"
        for key, layer in self.layers.items():
            down, up = layer.down.contiguous(), layer.folded().contiguous()
            if is_unet:
                component, path = key.split(".", 1)
                name = _KOHYA[component] + path.replace(".", "_")
                state |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
                state[f"{name}.alpha"] = torch.tensor(float(layer.rank))
            else:
                state |= {key + _A: down, key + _B: up}
        return state


def make_layer(name: str, down: Tensor, up: Tensor, scale: float) -> LoraLayer:
    """Return the layer of two halves.

    Raises:
        ValueError: If they are no halves of one update.
    """
    if down.ndim < 2 or up.ndim < 2 or down.shape[0] != up.shape[1]:
        raise ValueError(
            f"The two halves of the update of '{name}' must share a rank; they have ranks "
            f"{down.shape[0] if down.ndim > 1 else 'none'} and {up.shape[1] if up.ndim > 1 else 'none'}. "
            "The file is damaged: copy it again."
        )
    if not (math.isfinite(scale) and down.isfinite().all() and up.isfinite().all()):
        raise ValueError(f"The update of '{name}' holds NaN or infinite numbers: copy the file again.")
    return LoraLayer(down, up, scale)


def fold_lora(model: nn.Module, lora: Lora, *, component: str | None = None, strength: float = 1.0) -> None:
    """Add a LoRA to the weights of `model`, in place and without peft.

    Args:
        model: The denoiser, or the text encoder named by `component`.
        lora: From `read_lora`.
        component: Which part of the LoRA; its denoiser's if None.
        strength: Multiplies the update.

    Raises:
        ValueError: If a weight of it is not in the model or has another shape. The model is then unchanged.
    """
    _add(model, lora.component(component or lora.denoiser), strength)


def fold_adapter(peft_state: Mapping[str, Tensor], *, scale: float) -> dict[str, Tensor]:
    """Return the adapter with `scale` (alpha / rank) folded into `lora_B`, keyed by module path.

    Args:
        peft_state: What `peft.get_peft_model_state_dict` returns.
        scale: alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA.
    """
    folded: dict[str, Tensor] = {}
    for key, value in peft_state.items():
        name = key.removeprefix("base_model.model.")
        folded[name] = (value * scale if name.endswith(_B) else value).contiguous()
    return folded


def apply_adapter(model: nn.Module, adapter: Mapping[str, Tensor]) -> None:
    """Add a folded adapter to the weights of `model`, in place.

    Args:
        model: Module whose parameters the adapter was trained for.
        adapter: `{module path + ".lora_A.weight" | ".lora_B.weight": tensor}`.

    Raises:
        ValueError: If the adapter is incomplete or of another kind, or a module of it is not in the model
            or has another shape. The model is then unchanged.
    """
    layers: dict[str, LoraLayer] = {}
    for key in adapter:
        path = key.removesuffix(_A).removesuffix(_B)
        if path == key or path + _A not in adapter or path + _B not in adapter:
            raise ValueError(
                f"An adapter is pairs of '...{_A}' and '...{_B}'; '{key}' is no half of one. Only plain "
                "LoRA can be folded (no DoRA, no embeddings, no saved modules)."
            )
        layers[path] = make_layer(path, adapter[path + _A], adapter[path + _B], 1.0)
    _add(model, layers, 1.0)


def _add(model: nn.Module, layers: Mapping[str, LoraLayer], strength: float) -> None:
    modules = dict(model.named_modules())
    updates: list[tuple[Tensor, LoraLayer]] = []
    for path, layer in layers.items():
        module = modules.get(path)
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or weight.ndim < 2:
            raise ValueError(
                f"The LoRA changes '{path}', which this model does not have. "
                "Load it on the model it was trained for."
            )
        if weight.shape != layer.shape:
            raise ValueError(
                f"The LoRA's update of '{path}' is {by(layer.shape)}, but the weight is {by(weight.shape)}. "
                "Load it on the model it was trained for."
            )
        updates.append((weight, layer))
    with torch.no_grad():
        for weight, layer in updates:
            down, up = (half.to(weight.device, torch.float32).flatten(1) for half in (layer.down, layer.up))
            update = (up @ down).view(weight.shape) * (layer.scale * strength)
            # Added in float32: rounding the update first would lose what is small beside the weight.
            weight.copy_((weight.float() + update).to(weight.dtype))


def by(shape: tuple[int, ...]) -> str:
    """Return a shape as "16x8"."""
    return "x".join(map(str, shape))
