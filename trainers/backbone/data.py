"""Batches for the starter's pretraining: pictures, packed questions, and the dense targets behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from spatial_core.images import patchify
from spatial_core.packing import PackedRows, Row, pack
from spatial_trainers.backbone.questions import Question, QuestionSampler
from spatial_trainers.scene_cache import GRID, SceneCache


@dataclass(frozen=True)
class Batch:
    """One step's tensors; Q counts the questions of the batch that are kept, T the grounded names."""

    packed: PackedRows
    pixel_values: Tensor
    grid_thw: Tensor
    answers: Tensor  # [B, R], 1 yes, 0 no, -1 not asked
    families: Tensor  # [B, R]
    ground_at: Tensor  # [T, 2], row and token
    ground_target: Tensor  # [T, 5], centre, size, distance
    ground_cells: Tensor  # [T, image tokens], share of the thing that each shows
    patch_kind: Tensor  # [B, patches]
    patch_color: Tensor
    patch_place: Tensor  # [B, patches, 3]
    patch_known: Tensor  # [B, patches], on an object


class BatchMaker:
    """Turns cached scenes and sampled questions into tensors."""

    def __init__(self, cache: SceneCache, tokenizer: PreTrainedTokenizerFast, sampler: QuestionSampler):
        self.cache = cache
        self.tokenizer = tokenizer
        self.sampler = sampler
        self._ids: dict[str, list[int]] = {}
        self.special = {t: tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|im_end|>")}
        self.image_token = tokenizer.convert_tokens_to_ids("<|image_pad|>")
        self.vision = [tokenizer.convert_tokens_to_ids(t) for t in ("<|vision_start|>", "<|vision_end|>")]

    def encode(self, text: str) -> list[int]:
        """Return token ids; texts recur, so they are kept."""
        if text not in self._ids:
            self._ids[text] = self.tokenizer(text, add_special_tokens=False)["input_ids"]  # pyright: ignore
        return self._ids[text]

    def branch(self, question: Question, *, statement: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids and, for each named object, the place of its last token."""
        ids = list(self.encode("\n")) if statement else []
        places: list[tuple[int, int]] = []
        for piece, index in question.statement if statement else question.question:
            ids.extend(self.encode(piece))
            if index is not None:
                places.append((index, len(ids) - 1))
        ids.append(self.special["<|im_end|>" if statement else "<|im_start|>"])
        return ids, places

    def make(
        self, indices: np.ndarray, rng: np.random.Generator, *, prompt_first: bool, questions: int
    ) -> Batch:
        """Return a batch for the scenes at `indices`."""
        cache = self.cache
        picked = cache.read(indices)
        flip = rng.random(len(indices)) < 0.5
        picked = picked.mirrored(flip)
        rows: list[Row] = []
        answers = np.full((len(indices), questions), -1, dtype=np.int64)
        families = np.zeros_like(answers)
        ground_at: list[tuple[int, int]] = []
        ground_target: list[np.ndarray] = []
        ground_cells: list[np.ndarray] = []
        side = GRID // 2
        image = [self.vision[0], *[self.image_token] * side**2, self.vision[1]]
        for i in range(len(indices)):
            asked = self.sampler.sample(picked, i, questions, rng)
            prefix = image
            if prompt_first:
                prompt = self.sampler.prompt(picked, i, rng)
                prefix = [*self.encode("Prompt: "), *self.encode(prompt), *self.encode("\nImage: "), *image]
            branches: list[list[int]] = []
            at = len(prefix)
            for k, question in enumerate(asked):
                ids, places = self.branch(question, statement=prompt_first)
                branches.append(ids)
                answers[i, k], families[i, k] = question.answer, question.family
                for index, place in places:
                    if index >= 0:
                        ground_at.append((i, at + place))
                        ground_target.append(picked.target(i, index))
                        ground_cells.append(picked.cells(i, index))
                at += len(ids)
            rows.append(Row(prefix, (side, side), branches))
        packed = pack(rows, image_token=self.image_token, pad_token=0)
        images = torch.from_numpy(picked.images).permute(0, 3, 1, 2).float() / 255
        images = augment(images, rng)
        pixels, grid = patchify(
            images, patch_size=8, merge_size=2, temporal_patch_size=2, mean=[0.5] * 3, std=[0.5] * 3
        )
        kind, color, place, known = picked.patch_labels()
        width = packed.branch_readouts.shape[1]
        return Batch(
            packed,
            pixels,
            grid,
            torch.from_numpy(answers[:, :width]),
            torch.from_numpy(families[:, :width]),
            torch.tensor(ground_at),
            torch.from_numpy(np.stack(ground_target)),
            torch.from_numpy(np.stack(ground_cells)),
            *(torch.from_numpy(_merge_order(x)) for x in (kind, color, place, known)),
        )


def _merge_order(grid: np.ndarray) -> np.ndarray:
    """Return `[B, 16, 16, ...]` as `[B, 256, ...]` in the patches' order: merge block by merge block."""
    b, h, w = grid.shape[:3]
    blocks = grid.reshape(b, h // 2, 2, w // 2, 2, *grid.shape[3:])
    return np.ascontiguousarray(np.swapaxes(blocks, 2, 3)).reshape(b, h * w, *grid.shape[3:])


def augment(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return the images with a little other brightness, contrast and noise; nothing moves, no hue changes."""
    b = len(images)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (b, 1, 1, 1)).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.06, 0.06, (b, 1, 1, 1)).astype(np.float32))
    noise = torch.from_numpy(rng.uniform(0.0, 0.03, (b, 1, 1, 1)).astype(np.float32))
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    return (images * gain + shift + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1)
