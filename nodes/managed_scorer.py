"""A scorer under ComfyUI's model management: it takes its turn on the GPU and can be evicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import comfy.model_management as memory
import comfy.utils
import torch
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .pictures import fingerprint, for_scoring
from .sockets import ScoredPictures

if TYPE_CHECKING:
    from spatial_core.language.scene_graph import SceneGraph
    from spatial_core.scorers.base import SpatialScorer, SpatialScores

AT_ONCE = 4
"""Pictures in one forward: between forwards the progress bar moves and an interrupt is heard."""

BYTES_PER_PICTURE = 256 * 1024**2
"""Working memory that one picture of 512 x 512 takes in a 7B model, roughly; asked for beside the weights."""


class _Shell(torch.nn.Module):
    """Holds the scorer, because model management wants to write `device` on what it manages."""

    def __init__(self, scorer: SpatialScorer) -> None:
        super().__init__()
        self.scorer = scorer


class ManagedScorer:
    """What the socket SPATIAL_SCORER carries.

    Attributes:
        scorer: Wherever its weights are at the moment.
        name: Shown on sheets and in reports.
        patcher: ComfyUI's handle on the weights.
    """

    def __init__(self, scorer: SpatialScorer, name: str, *, patcher: ModelPatcher | None = None) -> None:
        """Hand `scorer` to ComfyUI.

        Args:
            scorer: Loaded on `resting_device()`, or one that computes with a model that ComfyUI has loaded.
            name: Shown on sheets and in reports.
            patcher: Of that model; None for a scorer with weights of its own.
        """
        self.scorer = scorer.eval()
        self.name = name
        # Modules of transformers cannot compute with weights that lie elsewhere: all of them or none.
        self._whole = patcher is None
        self.patcher = patcher or ModelPatcher(
            _Shell(scorer),
            load_device=memory.text_encoder_device(),
            offload_device=memory.text_encoder_offload_device(),
        )

    def score(self, images: Sequence[Tensor], prompts: Sequence[str | SceneGraph]) -> ScoredPictures:
        """Score B pictures [1, H, W, C] against as many prompts, with a report on every relation.

        Raises:
            ValueError: If a picture cannot be used; the message names what is wrong with it.
            InterruptProcessingException: If the user pressed stop.
        """
        memory.load_models_gpu(
            [self.patcher],
            memory_required=BYTES_PER_PICTURE * min(AT_ONCE, len(images)),
            force_full_load=self._whole,
        )
        bar = comfy.utils.ProgressBar(len(images))
        parts: list[ScoredPictures] = []
        for start in range(0, len(images), AT_ONCE):
            memory.throw_exception_if_processing_interrupted()
            part, asked = images[start : start + AT_ONCE], prompts[start : start + AT_ONCE]
            scores = self.scorer.score([for_scoring(image) for image in part], asked, explain=True)
            parts.append(
                ScoredPictures(
                    scores=_on_cpu(scores),
                    prompts=tuple(prompt if isinstance(prompt, str) else prompt.text for prompt in asked),
                    fingerprints=tuple(fingerprint(image) for image in part),
                    judge=self.name,
                )
            )
            bar.update(len(part))
        return ScoredPictures.joined(parts)


def resting_device() -> torch.device:
    """Return where a scorer is loaded before it is needed."""
    return memory.text_encoder_offload_device()


def best_dtype() -> torch.dtype:
    """Return the type of weights that suits the device on which scorers compute."""
    device = memory.text_encoder_device()
    if memory.is_device_cpu(device):
        return torch.float32
    return torch.bfloat16 if memory.should_use_bf16(device) else torch.float16


def _on_cpu(scores: SpatialScores) -> SpatialScores:
    return replace(scores, mean=scores.mean.cpu(), std=scores.std.cpu(), satisfied=scores.satisfied.cpu())
