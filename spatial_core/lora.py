"""Folded LoRA adapters of a reward model: read, write and apply them without peft.

Folded means that alpha / rank is multiplied into `lora_B`, so the update of a weight is `lora_B @ lora_A`
and no scale has to travel beside the file.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_A, _B = ".lora_A.weight", ".lora_B.weight"


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
    modules = dict(model.named_modules())
    updates: list[tuple[Tensor, Tensor, Tensor]] = []
    for key in adapter:
        path = key.removesuffix(_A).removesuffix(_B)
        if path == key or path + _A not in adapter or path + _B not in adapter:
            raise ValueError(
                f"An adapter is pairs of '...{_A}' and '...{_B}'; '{key}' is no half of one. Only plain "
                "LoRA of linear layers can be folded (no DoRA, no embeddings, no saved modules)."
            )
        if key.endswith(_B):
            continue
        module = modules.get(path)
        if module is None or not isinstance(getattr(module, "weight", None), Tensor):
            raise ValueError(
                f"The adapter changes '{path}', which this backbone does not have. "
                "Load it on the backbone it was trained for (see the checkpoint's metadata)."
            )
        weight: Tensor = module.weight  # pyright: ignore[reportAssignmentType]
        low, high = adapter[key], adapter[path + _B]
        if weight.shape != (high.shape[0], low.shape[1]):
            raise ValueError(
                f"The adapter's update of '{path}' is {high.shape[0]}x{low.shape[1]}, but the weight is "
                f"{'x'.join(map(str, weight.shape))}. Load it on the backbone it was trained for."
            )
        if low.shape[0] != high.shape[1]:
            raise ValueError(
                f"The two halves of the update of '{path}' have ranks {low.shape[0]} and {high.shape[1]}. "
                "The file is damaged: copy it again."
            )
        updates.append((weight, low, high))
    with torch.no_grad():
        for weight, low, high in updates:
            update = high.to(weight.device, torch.float32) @ low.to(weight.device, torch.float32)
            # Added in float32: rounding the update first would lose what is small beside the weight.
            weight.copy_((weight.float() + update).to(weight.dtype))
