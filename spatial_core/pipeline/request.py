"""What is asked for: the base's own arguments, prompt by prompt, and how to search."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Search = Literal["best_of_n", "halving", "cached"]
SEARCHES: tuple[Search, ...] = ("best_of_n", "halving", "cached")


@dataclass(frozen=True)
class Settings:
    """How to search; the arguments that `SpatialDiffusionPipeline.__call__` documents."""

    num_candidates: int
    score_prompt: str | list[str] | None
    search: Search
    stages: Sequence[tuple[float, float]]
    score_threshold: float | None
    stop_confidence: float | None
    micro_batch_size: int | None
    selection: str
    draft_threshold: float
    explain: bool
    return_all_images: bool

    @property
    def stops_early(self) -> bool:
        """Whether a prompt may be done before all its candidates are drawn."""
        return self.score_threshold is not None or self.stop_confidence is not None


def base_arguments(call: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a base's `__call__` by name.

    Raises:
        TypeError: As calling it would.
    """
    bound = inspect.signature(call).bind(None, *args, **kwargs).arguments
    extra = bound.pop("kwargs", {})
    return {**dict(list(bound.items())[1:]), **extra}


def default(call: Any, name: str, arguments: dict[str, Any]) -> Any:
    """Return what the base will take for `name`: what was given, or its own default; None if it has none."""
    parameter = inspect.signature(call).parameters.get(name)
    own = None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default
    return arguments.get(name, own)


def takes(call: Any, name: str) -> bool:
    """Return whether a base's `__call__` has an argument `name`."""
    return name in inspect.signature(call).parameters


def num_prompts(arguments: dict[str, Any]) -> int:
    """Return B, counted as diffusers does: from the prompt, or else from its embeddings."""
    prompt = arguments.get("prompt")
    if isinstance(prompt, str):
        return 1
    embeds = arguments.get("prompt_embeds")
    return len(prompt if prompt is not None else embeds if embeds is not None else [None])


def for_prompt(arguments: dict[str, Any], index: int, count: int) -> dict[str, Any]:
    """Return the arguments of one of `count` prompts: every per-prompt list or tensor cut to its part."""
    return {name: _of_prompt(name, value, index, count) for name, value in arguments.items()}


def _of_prompt(name: str, value: Any, index: int, count: int) -> Any:
    if "prompt" not in name or not isinstance(value, (list, tuple, Tensor)) or len(value) != count:
        return value
    return value[index] if isinstance(value[0], str) else value[index : index + 1]


def repeated(arguments: dict[str, Any], times: int) -> dict[str, Any]:
    """Return the arguments of one prompt that is given by embeddings alone, for `times` images of it."""
    return {
        name: value.repeat_interleave(times, dim=0) if isinstance(value, Tensor) else list(value) * times
        for name, value in arguments.items()
        if "prompt" in name and isinstance(value, (list, Tensor))
    }


def first_seeds(
    generator: torch.Generator | list[torch.Generator] | None, count: int, num_candidates: int
) -> list[int]:
    """Return the seed of the first candidate of each of `count` prompts.

    A generator that is as `manual_seed(s)` left it gives s, so that candidate 0 is the image that the base
    draws with it; one that was used gives a seed drawn from it. Either is advanced by one draw, so that the
    next call with it draws other images. One generator serves several prompts with seeds that do not meet.

    Raises:
        ValueError: If there are several generators, but not one for each prompt.
    """
    if isinstance(generator, list):
        if len(generator) != count:
            raise ValueError(
                f"`generator` must be one generator, or a list of one for each prompt ({count}); got "
                f"{len(generator)}."
            )
        return [_seed(one) for one in generator]
    seed = _draw(None) if generator is None else _seed(generator)
    return [seed + index * num_candidates for index in range(count)]


def _seed(generator: torch.Generator) -> int:
    fresh = torch.Generator(generator.device).manual_seed(generator.initial_seed())
    unused = torch.equal(fresh.get_state(), generator.get_state())
    drawn = _draw(generator)
    return generator.initial_seed() if unused else drawn


def _draw(generator: torch.Generator | None) -> int:
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(0, 2**31 - 1, (1,), generator=generator, device=device))
