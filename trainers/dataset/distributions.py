"""What a dataset is made of, beside the paper's: relations and words a prompt, edits a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import atomic_path
from spatial_trainers.dataset.build_recipe import PAPER_RELATIONS
from spatial_trainers.pairs.records import Record

PAPER_EDITS = {1: 180, 2: 185}
"""Pairs of the paper's benchmark with one edit, and with two or three (arXiv 2602.24233, table 1)."""

PAPER_WORDS = (35, 58, 120)
"""About the fewest, the most frequent and the most words of the paper's prompts (data figure)."""


@dataclass
class Distributions:
    """Counts over pairs; prompts are counted on both sides.

    Attributes:
        pairs, relations, words, edits, kinds, families, scenes: Pairs by split; prompts by number of
            relations and of words; pairs by number of edits, single edits by kind; edited relations by name;
            pairs by kind of place.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    relations: Counter[int] = field(default_factory=Counter)
    words: Counter[int] = field(default_factory=Counter)
    edits: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    scenes: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Distributions:
        """Count `records`; graphs are needed."""
        found = cls()
        for record in records:
            found.pairs[record["split"]] += 1
            found.scenes[record.get("scene", "")] += 1
            edits = {edit.get("edit", n): edit["kind"] for n, edit in enumerate(record["edits"])}
            found.edits[len(edits)] += 1
            found.kinds.update(edits.values())
            for side in ("", "_rejected"):
                relations = record[f"graph{side}"]["relations"]
                found.relations[len(relations)] += 1
                found.words[len(record[f"prompt{side}"].split())] += 1
                found.families.update(relations[e["relation_index"]]["relation"] for e in record["edits"])
        return found

    def to_dict(self) -> dict[str, dict[str, int]]:
        """Return all counts for JSON, keys in order."""
        return {
            name: {str(key): count for key, count in sorted(counts.items())}
            for name, counts in vars(self).items()
        }

    def table(self) -> str:
        """Return Markdown tables of relations, words and edits beside the paper's."""
        lines = ["| relations a prompt | here | share | paper | share |", "|---|---|---|---|---|"]
        for n in sorted({*self.relations, *PAPER_RELATIONS}):
            here, paper = self.relations[n], PAPER_RELATIONS.get(n, 0)
            shares = [_share(here, self.relations), _share(paper, PAPER_RELATIONS)]
            lines.append(f"| {n} | {here} | {shares[0]} | {paper} | {shares[1]} |")
        lines += ["", "| edits a pair | here | share | paper's benchmark |", "|---|---|---|---|"]
        one, more = PAPER_EDITS.values()
        several = sum(count for n, count in self.edits.items() if n > 1)
        for name, count, paper in (("1", self.edits[1], one), ("2 or 3", several, more)):
            lines.append(f"| {name} | {count} | {_share(count, self.edits)} | {_share(paper, PAPER_EDITS)} |")
        least, mode, most = PAPER_WORDS
        lines += [
            "",
            "| words a prompt | here | paper |",
            "|---|---|---|",
            f"| 5 % have fewer than | {self.quantile(0.05)} | |",
            f"| most frequent (of bins of ten) | {self._mode()} | about {mode} |",
            f"| median | {self.quantile(0.5)} | |",
            f"| 5 % have more than | {self.quantile(0.95)} | |",
            f"| range | {min(self.words)} to {max(self.words)} | about {least} to {most} |",
        ]
        return "\n".join(lines)

    def quantile(self, share: float) -> int:
        """Return the number of words that `share` of the prompts do not exceed."""
        left = share * self.words.total()
        for n in sorted(self.words):
            left -= self.words[n]
            if left <= 0:
                return n
        return max(self.words)

    def _mode(self) -> str:
        bins: Counter[int] = Counter()
        for n, count in self.words.items():
            bins[n // 10 * 10] += count
        start = bins.most_common(1)[0][0]
        return f"{start} to {start + 9}"


def _share(count: int, counts: Mapping[int, int]) -> str:
    return f"{count / max(1, sum(counts.values())):.3f}"


def plot(distributions: Distributions, path: Path) -> None:
    """Draw relations, words and edits beside the paper's as a PNG.

    Raises:
        ImportError: Without matplotlib, which the extra `plots` brings.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.4), layout="constrained")
    axes: Sequence[Any] = figure.subplots(1, 3)
    groups = (
        ("relations a prompt", distributions.relations, PAPER_RELATIONS),
        ("edits a pair (2: two or three)", _one_or_more(distributions.edits), PAPER_EDITS),
    )
    for axis, (title, here, paper) in zip((axes[0], axes[2]), groups, strict=True):
        keys = sorted({*here, *paper})
        for offset, name, counts in ((-0.2, "here", here), (0.2, "paper", paper)):
            total = max(1, sum(counts.values()))
            axis.bar([k + offset for k in keys], [counts.get(k, 0) / total for k in keys], 0.4, label=name)
        axis.set_title(title)
        axis.set_xticks(keys)
        axis.legend()
    words = distributions.words
    axes[1].hist(list(words), weights=[c / words.total() for c in words.values()], bins=range(0, 140, 5))
    axes[1].axvline(PAPER_WORDS[1], color="black", linestyle="--", label="paper's mode")
    for limit in (PAPER_WORDS[0], PAPER_WORDS[2]):
        axes[1].axvline(limit, color="grey", linestyle=":")
    axes[1].set_title("words a prompt (dotted: paper's range)")
    axes[1].legend()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _one_or_more(edits: Mapping[int, int]) -> dict[int, int]:
    return {1: edits.get(1, 0), 2: sum(count for n, count in edits.items() if n > 1)}
