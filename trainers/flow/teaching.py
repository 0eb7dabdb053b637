"""What the starter flow model is taught beside its velocity: where the words' things are. Dropped in the end.

Three dense lessons, each a loss of readouts that inference does not have or of attention that it has:
the text's tokens tell what each mention is and where it will be (`MentionHead`); the picture's tokens tell
where they themselves are, which a model with rotary positions alone finds out late (`PlaceHead`); and the
first head of the first blocks looks from each place at the words for what stands there (`look_loss`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from spatial_core.scenes.objects import COLORS, OBJECT_KINDS
from spatial_trainers.flow.batches import FlowBatch
from spatial_trainers.plain_attention import PlainAttention

TAUGHT_BLOCKS = 2
"""How many of the first blocks have a head that is taught where to look."""


_BARE_WEIGHT = 0.2


class MentionHead(nn.Module):
    """A readout of a text token: what the mention that ends there is and where it will be."""

    def __init__(self, text_width: int, width: int):
        super().__init__()
        kinds, colors = len(OBJECT_KINDS), len(COLORS)
        self.sizes = (4, kinds, colors)
        self.layers = nn.Sequential(
            nn.Linear(text_width, width), nn.GELU(), nn.Linear(width, sum(self.sizes))
        )

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return box `[T, 4]`, logits of kind and of colour of text states `[T, D]`."""
        box, kind, color = self.layers(states).split(self.sizes, dim=-1)
        return box, kind, color

    def losses(self, batch: FlowBatch, text: Tensor) -> dict[str, Tensor]:
        """Return how well the text `[B, L, D]` tells what each mention is and where it will be."""
        box, kind, color = self(text[batch.mention_at[:, 0], batch.mention_at[:, 1]])
        return {
            "place": 8 * F.smooth_l1_loss(box, batch.mention_box, beta=0.1),
            "kind": F.cross_entropy(kind, batch.mention_kind),
            "color": F.cross_entropy(color, batch.mention_color, ignore_index=-1),
        }


class PlaceHead(nn.Module):
    """A readout of a picture token: its own row and column."""

    def __init__(self, width: int):
        super().__init__()
        self.layer = nn.Linear(width, 2)

    def loss(self, states: Tensor, ids: Tensor) -> Tensor:
        """Return how well states `[B, N, D]` tell the places `ids` `[N, 3]` of their tokens."""
        places = ids[:, 1:] / ids.max() * 2 - 1
        return F.mse_loss(self.layer(states.float()), places.expand(len(states), -1, -1))


class SeenAttention(PlainAttention):
    """`PlainAttention` that keeps queries and keys of the calls within it, in order."""

    def __init__(self):
        super().__init__()
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(  # noqa: D105
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            given = dict(zip(("query", "key"), args, strict=False)) | (kwargs or {})
            self.calls.append((given["query"], given["key"]))
        return super().__torch_function__(func, types, args, kwargs)


def look_loss(query: Tensor, key: Tensor, target: Tensor) -> Tensor:
    """Return how far the first head is from looking, from each place, at the words for what stands there.

    The loss is the cross-entropy of the head's attention among the text's tokens; what it gives the
    picture's tokens is its own affair.

    Args:
        query: `[B, heads, L + N, D]`, text first, as the attention gets it.
        key: As `query`.
        target: float32 `[B, N, L]`, which share of a token's cells shows what the mention that ends at a
            text token names; all 0 where nothing is known.
    """
    length = target.shape[2]
    scores = query[:, 0, length:].float() @ key[:, 0, :length].float().transpose(1, 2)
    chances = (scores * query.shape[-1] ** -0.5).log_softmax(-1)
    return -(target * chances).sum() / target.sum().clamp_min(1)


def look_targets(batch: FlowBatch, length: int, tokens: int) -> Tensor:
    """Return `look_loss`'s target `[B, N, L]` of a batch with `length` text and `tokens` picture tokens.

    Cells of no thing belong to the end token, with less weight, since they are most.
    """
    target = torch.zeros(len(batch.latents), length, tokens)
    side = int(tokens**0.5)
    target[batch.mention_at[:, 0], batch.mention_at[:, 1]] = _pooled(batch.mention_cells, side)
    bare = 1 - _pooled(batch.thing_cells, side)
    target[torch.arange(len(target)), batch.text_end] = _BARE_WEIGHT * bare
    return target.transpose(1, 2)


def _pooled(cells: Tensor, side: int) -> Tensor:
    """Return means `[B, side^2]` of cells `[B, H, W]`."""
    return F.adaptive_avg_pool2d(cells[:, None].float(), side).flatten(1)
