"""Cheap drafts: while a denoiser's step changes little, most of its blocks are not computed again."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from diffusers.hooks.first_block_cache import FirstBlockCacheConfig
from diffusers.models.cache_utils import CacheMixin


def check_draftable(pipeline: Any) -> None:
    """Check that the pipeline's denoiser can reuse its blocks.

    Raises:
        ValueError: If it cannot, or already does.
    """
    denoiser = _denoiser(pipeline)
    if not isinstance(denoiser, CacheMixin):
        raise ValueError(
            f'`search="cached"` needs a denoiser with enable_cache(); {type(denoiser).__name__} has none. '
            'Use `search="best_of_n"` or `search="halving"`.'
        )
    if denoiser.is_cache_enabled:
        raise ValueError(
            '`search="cached"` turns the cache of the denoiser on for drafts and off for the winner, and it '
            "is on already. Call pipeline.transformer.disable_cache() first."
        )


@contextmanager
def drafts(pipeline: Any, threshold: float) -> Generator[Callable[[], float]]:
    """Let the denoiser skip blocks (FirstBlockCache); restored on leaving.

    Args:
        pipeline: Whose denoiser.
        threshold: Relative change of the first block's output below which the rest is reused.

    Yields:
        A function that returns the share in [0, 1] of the blocks that were computed so far.
    """
    denoiser = _denoiser(pipeline)
    blocks = [
        block for child in denoiser.children() if isinstance(child, torch.nn.ModuleList) for block in child
    ]
    calls = {"denoiser": 0, "blocks": 0}

    def counter(kind: str) -> Callable[..., None]:
        def count(*_: Any) -> None:
            calls[kind] += 1

        return count

    denoiser.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    try:
        with ExitStack() as stack:
            stack.callback(denoiser.register_forward_pre_hook(counter("denoiser")).remove)
            for block in blocks:
                # The cache replaces the block's own forward; its parts run only where it is computed.
                part = next(block.children())
                stack.callback(part.register_forward_pre_hook(counter("blocks")).remove)
            yield lambda: calls["blocks"] / max(1, calls["denoiser"] * len(blocks))
    finally:
        denoiser.disable_cache()


def _denoiser(pipeline: Any) -> Any:
    return getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)
