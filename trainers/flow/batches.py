"""What a step of the starter flow model sees: latents, captions as tokens, and where the named things are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatial_trainers.flow.captions import MAX_TOKENS, CaptionTokens
from spatial_trainers.flow.latents import LatentCode, PatchBasis, Pictures, as_pixels, mirrored_labels
from spatial_trainers.flow.scenes import FlowScenes


@dataclass(frozen=True)
class FlowBatch:
    """One step's tensors; B scenes, L tokens, T mentions; cells are the latents' 16 x 16.

    Attributes:
        latents: float32 `[B, 16, 16, 16]`.
        t5: int64 `[B, L]`; clip: int64 `[B, L']`, cut after the last end token.
        text_end: int64 `[B]`, the T5 end token's place.
        thing_cells: bool `[B, 16, 16]`, True where a thing covers most of a cell.
        mention_at: int64 `[T, 2]`, row and token.
        mention_cells: float32 `[T, 16, 16]`, 1 in the cells of the thing that is mentioned, divided among its
            mentions.
        mention_box: float32 `[T, 4]`, centre and size in units of the picture.
        mention_kind, mention_color: int64 `[T]`; -1 for the colour of furniture, which no caption gives.
    """

    latents: Tensor
    t5: Tensor
    clip: Tensor
    text_end: Tensor
    thing_cells: Tensor
    mention_at: Tensor
    mention_cells: Tensor
    mention_box: Tensor
    mention_kind: Tensor
    mention_color: Tensor


def encode_pictures(basis: PatchBasis, pictures: Pictures) -> Tensor:
    """Return the components of all pictures, float16 `[N, 8, 16, 16]`."""
    parts = np.array_split(pictures, max(1, len(pictures) // 256))
    return torch.cat([basis.encode(as_pixels(part)).half() for part in parts])


class FlowBatches:
    """The batches of one split; each depends on the seed and its step alone."""

    def __init__(
        self, scenes: FlowScenes, basis: PatchBasis, tokens: CaptionTokens, *, pad_id: int, empty: Tensor
    ):
        """Hold the data.

        Args:
            scenes: Boxes, kinds and colours.
            basis: Encodes their pictures.
            tokens: Of so many captions a scene, half of them honest, and as many of its mirror image.
            pad_id: Of the T5 tokenizer.
            empty: int64 `[77]`, the CLIP tokens of no caption; the T5 ones are an end token and padding.
        """
        self.scenes, self.code, self.tokens = scenes, LatentCode(basis), tokens
        self.components = encode_pictures(basis, scenes.images)
        self.variants = len(tokens.t5) // (2 * len(scenes))
        self.pad_id, self.empty = pad_id, empty
        named = [len({i for i in row if i >= 0}) for row in tokens.mention_objects.tolist()]
        self._weights = np.array(named, dtype=np.float64) ** 2

    def make(
        self,
        rng: np.random.Generator,
        size: int,
        *,
        longest: int,
        drop: float,
        padding: int,
        wrong: bool = True,
    ) -> FlowBatch:
        """Return a batch of random captions with their pictures.

        Captions that name many things are the hardest to draw and the rarest: a caption's chance grows
        with the square of that number.

        Args:
            rng: Source of randomness.
            size: Captions.
            longest: Of so many T5 tokens at most, if there are such.
            drop: Share of captions left empty.
            padding: T5 tokens of padding after the longest caption.
            wrong: Whether captions are those that may state what is wrong on purpose.
        """
        may = (self.tokens.lengths <= longest) & (self.tokens.honest != wrong)
        chance = np.cumsum(np.where(may, self._weights, 0) if may.any() else self._weights)
        caption = np.searchsorted(chance, rng.random(size) * chance[-1], side="right")
        return self.read(caption, rng.random(size) < drop, padding=padding)

    def read(
        self, caption: npt.NDArray[np.int64], dropped: npt.NDArray[np.bool_], *, padding: int
    ) -> FlowBatch:
        """Return the batch of the given captions `[B]`, those at True of `dropped` left empty."""
        s, tokens = self.scenes, self.tokens
        index, mirror = caption // (2 * self.variants), caption // self.variants % 2 == 1
        latents = self.code.latents(s, index, mirror, self.components[torch.from_numpy(index)])
        patches, boxes = mirrored_labels(s, index, mirror)
        rows = np.arange(len(index))[:, None, None]
        shown = (patches >= 0) & s.is_thing[index][rows, np.maximum(patches, 0)]
        length = int(tokens.lengths[caption].max()) + padding
        ids = np.full((len(index), length), self.pad_id, dtype=np.int64)
        width = min(length, tokens.t5.shape[1])
        ids[:, :width] = tokens.t5[caption][:, :width]
        # What comes after the end token changes nothing: CLIP looks back alone.
        clip = torch.from_numpy(
            tokens.clip[caption, : int(tokens.clip_lengths[caption].max())].astype(np.int64)
        )
        gone = torch.from_numpy(dropped)
        if dropped.any():
            ids[dropped] = self.pad_id
            ids[dropped, 0] = tokens.t5[caption[0], tokens.lengths[caption[0]] - 1]
            clip[gone] = self.empty[: clip.shape[1]]
        at = tokens.mention_tokens[caption]
        row, slot = np.nonzero((at >= 0) & ~dropped[:, None])
        thing = tokens.mention_objects[caption][row, slot].astype(np.int64)
        box = boxes[row, thing]
        same = (row[:, None] == row) & (thing[:, None] == thing)
        cells = (patches[row] == thing[:, None, None]) / np.maximum(same.sum(1), 1)[:, None, None]
        return FlowBatch(
            latents=latents,
            t5=torch.from_numpy(ids),
            clip=clip,
            text_end=torch.from_numpy(np.where(dropped, 0, tokens.lengths[caption].astype(np.int64) - 1)),
            thing_cells=torch.from_numpy(shown),
            mention_at=torch.from_numpy(np.stack([row, at[row, slot].astype(np.int64)], axis=1)),
            mention_cells=torch.from_numpy(cells.astype(np.float32)),
            mention_box=torch.from_numpy(
                np.concatenate([(box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]], axis=1)
            ),
            mention_kind=torch.from_numpy(s.kinds[index][row, thing].astype(np.int64)),
            mention_color=torch.from_numpy(
                np.where(s.is_thing[index][row, thing], s.colors[index][row, thing], -1).astype(np.int64)
            ),
        )


def training_batches(
    batches: FlowBatches,
    *,
    seed: int,
    first: int,
    steps: int,
    size: int,
    text_size: int,
    text_steps: int,
    wrong_from: int,
) -> Iterator[FlowBatch]:
    """Return the batches of the steps from `first` on; those before `wrong_from` have true captions alone.

    Most of them hold short captions only: whatever is longer costs its length for the whole batch.
    FLUX's text is padded and not masked, and callers choose the length: so the padding varies, up to the 512
    tokens of `FluxPipeline`'s default in a few (smaller) batches.
    """
    for step in range(first, steps):
        rng = np.random.default_rng([seed, step])
        longest, wrong = int(rng.choice((24, 40, MAX_TOKENS), p=(0.45, 0.35, 0.2))), step >= wrong_from
        if step < text_steps:
            padding = int(rng.choice((0, 8)))
            yield batches.make(rng, text_size, longest=longest, drop=0.0, padding=padding, wrong=wrong)
            continue
        padding = int(rng.choice((0, 8, 24, 40, 104, 448), p=(0.48, 0.3, 0.12, 0.06, 0.03, 0.01)))
        count = size if padding < 100 else max(1, size // 4)
        yield batches.make(rng, count, longest=longest, drop=0.1, padding=padding, wrong=wrong)
