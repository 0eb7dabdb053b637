"""Text encoders that remember: whatever the number of candidates, a prompt is encoded once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def encode_once(components: dict[str, Any]) -> Generator[None]:
    """Let every text encoder among `components` compute the same input only once; restored on leaving.

    Remembering happens at the encoders, not at `encode_prompt`, because what that returns depends on the
    number of images, and micro-batches differ in size.
    """
    with ExitStack() as stack:
        for name, module in components.items():
            if "text_encoder" in name and isinstance(module, torch.nn.Module):
                stack.enter_context(_remembering(module))
        yield


@contextmanager
def _remembering(module: torch.nn.Module) -> Generator[None]:
    forward, own = module.forward, vars(module).get("forward")
    known: dict[Any, Any] = {}

    def remembered(*args: Any, **kwargs: Any) -> Any:
        key = _key((args, sorted(kwargs.items())))
        if key not in known:
            known[key] = forward(*args, **kwargs)
        return known[key]

    module.forward = remembered
    try:
        yield
    finally:
        # Offloading hooks put a forward of their own on the instance, which has to come back.
        if own is None:
            del module.forward
        else:
            module.forward = own


def _key(value: Any) -> Any:
    """Return something hashable that is equal for equal inputs."""
    if isinstance(value, Tensor):
        return tuple(value.shape), str(value.dtype), str(value.device), tuple(value.flatten().tolist())
    if isinstance(value, (list, tuple)):
        return tuple(_key(part) for part in value)
    if isinstance(value, dict):
        return tuple((name, _key(part)) for name, part in sorted(value.items()))
    return value
