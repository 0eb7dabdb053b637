"""Drawing candidates with the base's own call, as many at a time as memory allows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from spatial_core.micro_batches import in_micro_batches
from spatial_core.pipeline.output import Candidate
from spatial_core.pipeline.request import repeated, takes
from spatial_core.pipeline.schedule import Part, watched


class Brush:
    """Draws the candidates of one prompt.

    Attributes:
        micro_batch_size: Images at a time; halved when memory runs out, and it stays so.
        evaluations: Denoising steps of single images so far.
    """

    def __init__(
        self,
        pipeline: Any,
        base_call: Callable[..., Any],
        arguments: dict[str, Any],
        *,
        device: torch.device,
        micro_batch_size: int,
    ) -> None:
        """Prepare to draw.

        Args:
            pipeline: Whose components do the work.
            base_call: `__call__` of its base class.
            arguments: Of that call, for one prompt.
            device: Of the generators.
            micro_batch_size: Images at a time.
        """
        self.pipeline, self.base_call, self.arguments = pipeline, base_call, dict(arguments)
        self.latents_wanted = self.arguments.pop("output_type", None) == "latent"
        self.callback = self.arguments.pop("callback_on_step_end", None)
        self.device = device
        self.micro_batch_size = micro_batch_size
        self.evaluations = 0.0

    def batches(self, candidates: Sequence[Candidate], run: Callable[[list[Candidate]], bool | None]) -> None:
        """Call `run` for micro-batches of `candidates` until none is left, or it returns True."""
        self.micro_batch_size = in_micro_batches(candidates, self.micro_batch_size, run)

    def draw(self, batch: Sequence[Candidate], part: Part = Part()) -> None:  # noqa: B008  (frozen)
        """Run `part` of the schedule for one micro-batch; its candidates get their picture and latents."""
        latents = None
        if part.start > 0.0:
            latents = torch.stack([c.latents for c in batch if c.latents is not None])
        with watched(self.pipeline.scheduler, part, resumed=latents) as steps:
            changed: list[Tensor] = []
            made = self.base_call(self.pipeline, **self._given(batch, latents, changed))
        self.evaluations += steps.evaluations
        nsfw = made.get("nsfw_content_detected") or [None] * len(batch)
        last = changed[-1] if changed and part.stop == 1.0 else steps.latents
        for row, candidate in enumerate(batch):
            candidate.repaint(made.images[row].float())
            candidate.nsfw = nsfw[row]
            candidate.finished = part.stop == 1.0
            candidate.resume_scale = steps.resume_scale
            if last is not None and (not candidate.finished or self.latents_wanted):
                candidate.latents = last[row]
            else:
                candidate.latents = None

    def _given(
        self, batch: Sequence[Candidate], latents: Tensor | None, changed: list[Tensor]
    ) -> dict[str, Any]:
        """Return the arguments of the base for one micro-batch; `changed` will hold what a callback does."""
        given = {**self.arguments, "output_type": "pt", "return_dict": True}
        size = len(batch)
        given["generator"] = [torch.Generator(self.device).manual_seed(c.seed) for c in batch]
        if given.get("prompt") is None:
            # Not every base repeats embeddings itself.
            given |= repeated(given, size)
            if takes(self.base_call, "num_images_per_prompt"):
                given["num_images_per_prompt"] = 1
        elif takes(self.base_call, "num_images_per_prompt"):
            given["num_images_per_prompt"] = size
        else:
            given["prompt"] = [given["prompt"]] * size
        if latents is not None:
            given["latents"] = latents / batch[0].resume_scale
        if self.callback is not None:
            given["callback_on_step_end"] = _noting(self.callback, changed)
        return given


def _noting(callback: Callable[..., dict[str, Any]], changed: list[Tensor]) -> Callable[..., dict[str, Any]]:
    """Return `callback`, which also puts the latents that it hands back into `changed`."""

    def noting(*args: Any) -> dict[str, Any]:
        result = callback(*args)
        if "latents" in result:
            changed[:] = [result["latents"]]
        return result

    # The multi-callback classes of diffusers say which tensors they want.
    functools.update_wrapper(noting, callback, assigned=(), updated=("__dict__",))
    return noting
