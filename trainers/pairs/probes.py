"""Probes that must fail: neither the prompts nor the pictures of a pair alone may tell which side is which.

A reward model trained on pairs in one direction learns whatever separates chosen from rejected, be it space
or not: a prompt that reads as edited, a picture that looks edited. The probes are trained for nothing else.
The text probe sees `prompt` and `prompt_rejected` in either order and says which is which; the image probe
sees the two pictures. A manifest passes where even the upper end of a probe's interval is close to .5.

Every probe judges by g(a, b) - g(b, a), so that it may compare the sides and gains nothing from their order.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from spatial_core.statistics import wilson_interval
from spatial_trainers.pairs.data import Pair, PairSet, chunks

BAR = 0.53
"""The upper end of the 95 % interval of a probe's accuracy must not be above this."""

_TOKEN = re.compile(r"[^\W_]+|[^\w\s]")
_WIDTH = 128


@dataclass(frozen=True)
class ProbeResult:
    """How often a probe told the sides of held-out pairs apart.

    Attributes:
        probe: "text" or "image".
        correct: Held-out pairs it got right; a draw counts as right.
        total: Held-out pairs.
        trained_on: Pairs it was trained on.
    """

    probe: str
    correct: int
    total: int
    trained_on: int

    @property
    def accuracy(self) -> float:
        """Share of the held-out pairs it got right."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson interval of the accuracy at 95 %."""
        return wilson_interval(self.correct, self.total)

    @property
    def passes(self) -> bool:
        """Whether the pairs hold no shortcut that this probe finds, as far as so many pairs can show."""
        return self.interval[1] <= BAR

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        low, high = self.interval
        return asdict(self) | {"accuracy": self.accuracy, "low": low, "high": high, "passes": self.passes}


def probe_pairs(
    pairs: PairSet, *, train: int = 20_000, test: int = 4_000, size: int = 64, seed: int = 0
) -> tuple[ProbeResult, ProbeResult]:
    """Return what the text probe and the image probe make of a manifest.

    Args:
        pairs: Probes learn from the split "train" and are judged on "test", "validation" and what is left of
            "train", in this order.
        train: Pairs to learn from, at most.
        test: Pairs to judge on, at most.
        size: Pictures are resized to this side in pixels; at least 32.
        seed: Decides the probes' weights and the order of training.

    Raises:
        ValueError: If a number is out of range or a split is empty.
    """
    if min(train, test) < 1 or size < 32:
        raise ValueError(f"train and test must be >= 1 and size >= 32; got {train}, {test} and {size}.")
    learn = pairs.splits["train"][:train]
    judge = [*pairs.splits["test"], *pairs.splits["validation"], *pairs.splits["train"][train:]][:test]
    if not learn or not judge:
        raise ValueError(
            f"Probes need pairs of the splits 'train' and 'test'; got {len(learn)} and {len(judge)}. "
            "Give the manifest's records such splits."
        )
    return (
        text_probe(_texts(learn), _texts(judge), seed=seed),
        image_probe(_pictures(learn, size), _pictures(judge, size), seed=seed),
    )


def text_probe(
    train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]], *, seed: int = 0, epochs: int = 5
) -> ProbeResult:
    """Train an MLP on TF-IDF weights of words and pairs of words; judge it on `test`.

    Args:
        train: Pairs of (prompt, prompt_rejected).
        test: Held-out ones.
        seed: Decides weights and order.
        epochs: Passes over `train`.
    """
    words = TfIdf([text for pair in train for text in pair])
    torch.manual_seed(seed)
    model = _TextModel(len(words))
    sides = [[(words(a), words(b)) for a, b in pairs] for pairs in (train, test)]

    def logits(which: int, rows: Sequence[int]) -> Tensor:
        chosen = [sides[which][row] for row in rows]
        return model(chosen) - model([(b, a) for a, b in chosen])

    return _probe("text", model, logits, (len(train), len(test)), seed=seed, epochs=epochs, batch=128)


def image_probe(train: Tensor, test: Tensor, *, seed: int = 0, epochs: int = 3) -> ProbeResult:
    """Train a small CNN that sees both pictures; judge it on `test`.

    Args:
        train: uint8 `[N, 2, 3, H, W]`, chosen first.
        test: Held-out ones.
        seed: Decides weights and order.
        epochs: Passes over `train`.
    """
    torch.manual_seed(seed)
    model = small_cnn(6, 1)

    def logits(which: int, rows: Sequence[int]) -> Tensor:
        chosen = (train, test)[which][torch.as_tensor(rows)].float() / 127.5 - 1
        # Both orders in one batch, so that batch statistics do not give the order away.
        here, there = model(torch.cat([chosen.flatten(1, 2), chosen.flip(1).flatten(1, 2)])).chunk(2)
        return (here - there).squeeze(1)

    return _probe("image", model, logits, (len(train), len(test)), seed=seed, epochs=epochs, batch=64)


def small_cnn(channels: int, outputs: int) -> nn.Sequential:
    """Return a CNN of four convolutions, [B, channels, H, W] to [B, outputs]; H and W at least 16."""
    widths = (channels, 24, 48, 64, 96)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(widths[-1] * 16, _WIDTH),
        nn.ReLU(),
        nn.Linear(_WIDTH, outputs),
    )


def fit(
    model: nn.Module,
    loss: Callable[[Sequence[int]], Tensor],
    count: int,
    *,
    seed: int,
    epochs: int,
    batch: int,
) -> None:
    """Train `model` by AdamW under one cycle of the learning rate.

    Args:
        model: Left in evaluation mode.
        loss: Takes the rows of a batch.
        count: Rows in all.
        seed: Decides their order.
        epochs: Passes over them.
        batch: Rows per step, at most.
    """
    rng = np.random.default_rng(seed)
    steps = epochs * math.ceil(count / batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=max(steps, 4))
    model.train()
    with tqdm(total=steps, desc="training a probe", leave=False, disable=None) as bar:
        for _ in range(epochs):
            for rows in chunks(rng.permutation(count).tolist(), batch):
                optimizer.zero_grad()
                loss(rows).backward()
                optimizer.step()
                schedule.step()
                bar.update()
    model.eval()


class TfIdf:
    """Words and pairs of neighbouring words, weighted by how rare they are.

    Weights are term frequency x (ln((1 + n) / (1 + df)) + 1) for n texts of which df hold the term, of unit
    length over a text; a term of a single text is left out.
    """

    def __init__(self, texts: Sequence[str]):
        """Count the terms of `texts`."""
        counts = Counter(term for text in texts for term in set(_terms(text)))
        kept = sorted(term for term, count in counts.items() if count > 1)
        self._index = {term: number for number, term in enumerate(kept)}
        self._rarity = np.array([math.log((1 + len(texts)) / (1 + counts[term])) + 1 for term in kept])

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self._index)

    def __call__(self, text: str) -> tuple[Tensor, Tensor]:
        """Return the numbers of the text's terms, int64 `[K]`, and their weights, float32 `[K]`."""
        counts = Counter(self._index[term] for term in _terms(text) if term in self._index)
        index = np.array(sorted(counts), np.int64)
        weights = np.array([counts[i] for i in sorted(counts)], np.float64) * self._rarity[index]
        weights /= max(float(np.linalg.norm(weights)), 1e-12)
        return torch.from_numpy(index), torch.from_numpy(weights.astype(np.float32))


def _terms(text: str) -> Iterator[str]:
    words = _TOKEN.findall(text.lower())
    yield from words
    yield from (f"{a} {b}" for a, b in zip(words, words[1:], strict=False))


class _TextModel(nn.Module):
    """[B] pairs of weighted terms to [B]: each side has a table of its own."""

    def __init__(self, terms: int):
        super().__init__()
        self.terms = terms
        self.table = nn.EmbeddingBag(2 * max(terms, 1), _WIDTH, mode="sum")
        nn.init.normal_(self.table.weight, std=0.1)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Dropout(0.2), nn.Linear(_WIDTH, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, pairs: Sequence[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]) -> Tensor:
        index = [torch.cat([a[0], b[0] + self.terms]) for a, b in pairs]
        weights = torch.cat([torch.cat([a[1], b[1]]) for a, b in pairs])
        lengths = torch.tensor([0, *(len(i) for i in index)])
        hidden = self.table(torch.cat(index), lengths.cumsum(0)[:-1], per_sample_weights=weights)
        return self.head(hidden).squeeze(1)


def _probe(
    name: str,
    model: nn.Module,
    logits: Callable[[int, Sequence[int]], Tensor],
    counts: tuple[int, int],
    *,
    seed: int,
    epochs: int,
    batch: int,
) -> ProbeResult:
    fit(
        model,
        lambda rows: F.softplus(-logits(0, rows)).mean(),
        counts[0],
        seed=seed,
        epochs=epochs,
        batch=batch,
    )
    with torch.inference_mode():
        correct = sum(int((logits(1, rows) >= 0).sum()) for rows in chunks(range(counts[1]), 256))
    return ProbeResult(name, correct, counts[1], counts[0])


def _texts(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(pair.graph.text, pair.graph_rejected.text) for pair in pairs]


def _pictures(pairs: Sequence[Pair], size: int) -> Tensor:
    pictures = torch.empty(len(pairs), 2, 3, size, size, dtype=torch.uint8)
    for row, pair in enumerate(tqdm(pairs, desc="reading pictures", leave=False, disable=None)):
        for side, reference in enumerate((pair.chosen, pair.rejected)):
            picture = reference.read()[None]
            if picture.shape[-2:] != (size, size):
                picture = F.interpolate(picture, (size, size), mode="bilinear", antialias=True)
            pictures[row, side] = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8)
    return pictures
