"""What tells one set of weights from another: a sha256 of a loaded module or of a tokenizer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

_SAMPLE = 4096


def module_sha256(module: nn.Module) -> str:
    """Return a sha256 over names, shapes, types, the sum of bytes and some of the numbers of every weight.

    Seconds for twelve billion weights, where hashing every byte takes a minute. The device does not matter;
    the type of the weights does.
    """
    digest = hashlib.sha256(type(module).__name__.encode())
    for name, tensor in sorted(module.state_dict().items()):
        # Some quantised modules keep more than tensors there.
        if isinstance(tensor, Tensor):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(_sample(tensor))
    return digest.hexdigest()


def tokenizer_sha256(tokenizer: Any) -> str:
    """Return a sha256 over a tokenizer's vocabulary and the length that it cuts at."""
    facts = [type(tokenizer).__name__, tokenizer.model_max_length, sorted(tokenizer.get_vocab().items())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _sample(tensor: Tensor) -> bytes:
    flat = tensor.detach().flatten()
    some = flat[:: max(1, len(flat) // _SAMPLE)].contiguous().cpu()
    # An exact sum, so that one changed number shows and every device finds the same.
    total = int(flat.view(torch.uint8).sum(dtype=torch.int64))
    return total.to_bytes(8, "little") + some.view(torch.uint8).numpy().tobytes()
