"""Automatic checks of pairs: broken and blank pictures, near duplicates, and verdicts on single relations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from spatial_core.language.scene_graph import SceneGraph
from spatial_trainers.dataset.build_recipe import ChecksRecipe
from spatial_trainers.pairs.records import Record

if TYPE_CHECKING:
    from spatial_core.scorers.base import SpatialScorer

_SIDE = 64
_KEPT = 16
_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)


def picture_faults(chosen: Image.Image, rejected: Image.Image, recipe: ChecksRecipe) -> list[str]:
    """Return what is wrong with two pictures as such, in sentences; empty if nothing is."""
    faults = [
        f"the {side} picture is blank"
        for side, picture in (("chosen", chosen), ("rejected", rejected))
        if float(np.asarray(picture.convert("L"), np.float32).std()) < recipe.min_contrast
    ]
    if not faults and chosen.tobytes() == rejected.tobytes():
        faults.append("both pictures are the same")
    return faults


def perceptual_hash(picture: Image.Image) -> str:
    """Return 256 bits as 64 hexadecimal digits: which of the lowest frequencies are above their median.

    Grey levels of 64 x 64 pixels, discrete cosine transform, the lowest 16 x 16 coefficients.
    """
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX), np.float64)
    basis = _cosines()
    low = (basis @ grey @ basis.T).reshape(-1)
    # The constant is brightness, not shape.
    return np.packbits(low > np.median(low[1:])).tobytes().hex()


@cache
def _cosines() -> npt.NDArray[np.float64]:
    at = (np.arange(_SIDE) + 0.5) * math.pi / _SIDE
    return np.cos(np.arange(_KEPT)[:, None] * at[None, :])


def near_duplicates(hashes: Sequence[Sequence[str]], max_distance: int) -> dict[int, int]:
    """Return for each pair that nearly repeats a picture of an earlier, kept one which one that is.

    Args:
        hashes: Of each pair, those of its pictures. Pictures of one pair are not compared.
        max_distance: Bits that may differ, in [0, 31].
    """
    if not hashes:
        return {}
    owner = np.repeat(np.arange(len(hashes)), [len(h) for h in hashes])
    words = np.frombuffer(bytes.fromhex("".join("".join(h) for h in hashes)), np.uint64).reshape(-1, 4)
    close: dict[int, set[int]] = {}
    for a, b in _close(words, max_distance):
        first, second = sorted((int(owner[a]), int(owner[b])))
        if first != second:
            close.setdefault(second, set()).add(first)
    repeats: dict[int, int] = {}
    for pair in sorted(close):
        kept = sorted(other for other in close[pair] if other not in repeats)
        if kept:
            repeats[pair] = kept[0]
    return repeats


def _close(words: npt.NDArray[np.uint64], max_distance: int) -> Iterable[tuple[int, int]]:
    """Yield rows whose bits differ in at most `max_distance`, some more than once.

    Of `max_distance + 1` groups of bits at least one must be equal, so only rows that agree in one are
    compared.
    """
    bits = np.unpackbits(words.view(np.uint8), axis=1)
    for group in range(max_distance + 1):
        # Every n-th bit: neighbouring frequencies go together, and would make large classes.
        packed = np.packbits(bits[:, group :: max_distance + 1], axis=1)
        keys = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).reshape(-1)
        order = np.argsort(keys, kind="stable")
        runs = np.flatnonzero(np.append(True, keys[order][1:] != keys[order][:-1]))
        for start, end in zip(runs, np.append(runs[1:], len(order)), strict=True):
            rows = order[start:end]
            for place in range(len(rows) - 1):
                others = rows[place + 1 :]
                differing = (
                    _ONES[(words[others] ^ words[rows[place]]).view(np.uint8)].reshape(len(others), -1).sum(1)
                )
                yield from ((int(rows[place]), int(row)) for row in others[differing <= max_distance])


def label_faults(record: Record) -> list[str]:
    """Return what is wrong with exact labels, in sentences: a prompt not true, an edit not false."""
    own, other, own_rejected, other_rejected = record["labels"]
    faults = []
    if not all(own) or not all(own_rejected):
        faults.append("a prompt is not true of its own picture")
    for relations in edited_relations(record):
        if any(all(labels[i] is not False for i in relations) for labels in (other, other_rejected)):
            faults.append("an edit is not false in the other picture")
            break
    return faults


def edited_relations(record: Record) -> list[list[int]]:
    """Return the indices of the relations of each edit.

    An edit is false in the other picture if one of its relations is: of "A, B, C from left to right" and "A,
    C, B" both say that A is left of B.
    """
    groups: dict[int, list[int]] = {}
    for number, edit in enumerate(record["edits"]):
        groups.setdefault(edit.get("edit", number), []).append(edit["relation_index"])
    return list(groups.values())


def verdict_faults(
    verdicts: Sequence[Sequence[str]], edited: Sequence[Sequence[int]], min_satisfied: float
) -> list[str]:
    """Return why a scorer's verdicts speak against a pair, in sentences.

    Args:
        verdicts: "true", "false" or "ambiguous" for the relations of `prompt` in `chosen` and in `rejected`,
            then of `prompt_rejected` in `rejected` and in `chosen`.
        edited: As `edited_relations` returns them.
        min_satisfied: Share of the relations that must be true in the prompt's own picture.
    """
    faults: list[str] = []
    for name, own, other in (("prompt", *verdicts[:2]), ("prompt_rejected", *verdicts[2:])):
        share = sum(v == "true" for v in own) / max(1, len(own))
        if share < min_satisfied:
            faults.append(f"{share:.2f} of the relations of '{name}' are judged true of its picture")
        for relations in edited:
            for i in relations:
                if own[i] != "true":
                    faults.append(f"edited relation {i} of '{name}' is judged {own[i]} in its own picture")
            if all(other[i] == "true" for i in relations):
                faults.append(
                    f"edited relation {relations[0]} of '{name}' is judged true in the other picture"
                )
    return faults


def judge_pair(
    scorer: SpatialScorer, record: Record, chosen: Image.Image, rejected: Image.Image
) -> list[list[str]]:
    """Return a scorer's verdicts on every relation of a pair, four lists in the order of `verdict_faults`."""
    graphs = [
        SceneGraph.from_dict(record[key]) for key in ("graph", "graph", "graph_rejected", "graph_rejected")
    ]
    reports = scorer.score([chosen, rejected, rejected, chosen], graphs, explain=True).relations
    assert reports is not None
    return [[report.verdict for report in one] for one in reports]
