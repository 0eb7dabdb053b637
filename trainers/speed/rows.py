"""One measured comparison, and the bars that it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spatial_trainers.speed.timing import Cost, Spread


@dataclass(frozen=True)
class Bar:
    """A figure and what it must be.

    Attributes:
        what: The figure in words.
        value: Measured.
        wanted: The limit.
        at_most: Whether the limit is an upper one.
    """

    what: str
    value: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is held."""
        return self.value <= self.wanted if self.at_most else self.value >= self.wanted


@dataclass(frozen=True)
class Row:
    """A comparison.

    Attributes:
        name: Short and stable, so that runs can be compared.
        title: What is done.
        costs: Of each way, by name.
        bars: Held or missed.
        facts: Anything else worth a line: sizes, numbers of tokens, differences of results.
    """

    name: str
    title: str
    costs: Mapping[str, Cost]
    bars: tuple[Bar, ...] = ()
    facts: Mapping[str, float] = field(default_factory=dict[str, float])

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "name": self.name,
            "title": self.title,
            "costs": {
                name: asdict(cost) | {"process_s": asdict(Spread.of(cost.process))}
                for name, cost in self.costs.items()
            },
            "bars": [asdict(bar) | {"met": bar.met} for bar in self.bars],
            "facts": dict(self.facts),
        }
