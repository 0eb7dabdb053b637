"""LoRA files: read, check against a base, convert, fold and write them, without peft.

`layers` is what a LoRA is, `forms` tells the naming of a file, `names` translates it, `files` reads and
writes, `card` is how it was trained.
"""

from __future__ import annotations

from spatial_core.lora.card import LoraCard
from spatial_core.lora.files import BaseModel, Fit, check_fit, read_base, read_lora, save_lora
from spatial_core.lora.forms import parse_lora
from spatial_core.lora.layers import Lora, LoraLayer, apply_adapter, fold_adapter, fold_lora

__all__ = [
    "BaseModel",
    "Fit",
    "Lora",
    "LoraCard",
    "LoraLayer",
    "apply_adapter",
    "check_fit",
    "fold_adapter",
    "fold_lora",
    "parse_lora",
    "read_base",
    "read_lora",
    "save_lora",
]
