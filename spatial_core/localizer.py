"""Where the named things of a table-top scene are: the independent judge of the starter generator.

`SpatialLocalizer` finds "the striped blue mug" in a picture: its box (of the whole of it, hidden parts too),
whether it is there at all, and how far away. It knows the kinds, colours and patterns of the procedural
scenes and says so of every other name, instead of guessing. `GeometricScorer(detector=localizer,
depth=localizer)` turns what it finds into verdicts on relations.

Shape letters: B images, h w cells, N cells that are looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.images import ImagesLike, resize, to_tensors
from spatial_core.language.lexicon import singular
from spatial_core.localizer_network import DenseFields, LocalizerConfig, LocalizerNetwork
from spatial_core.scorers.detection import Detection

WEIGHTS_FILE, CONFIG_FILE = "localizer.safetensors", "config.json"

THRESHOLD = 0.1
"""Least score of a detection. Verdicts on rendered scenes are right more often than at .15 (.911 to .902;
.983 against .982 on the starter's), and 4 % instead of 3 % of the kinds that are not there are found."""

_LEAST_HEAT, _LEAST_PEAK = 0.15, 0.25
"""Cells below the first are not looked at; a thing needs one cell at least as hot as the second."""

_ONE_THING = 0.55
"""Cells whose boxes overlap more (intersection over union) speak of one thing."""

_BACKDROPS = ("wall", "floor")
_COUNTS = frozenset("two three four five six seven eight nine ten several".split())
_ARTICLES = frozenset("a an the".split())
_SAME_WORD = {
    "grey": "gray",
    "dotty": "dotted",
    "spotted": "dotted",
    "checked": "checkered",
    "stripy": "striped",
}


@dataclass(frozen=True)
class Sighting:
    """One thing in a picture, whatever it may be called.

    Attributes:
        box: xyxy in pixels, of the whole thing within the picture.
        distance: From the camera in metres.
        score: Confidence in [0, 1] that there is a thing.
        kinds, colors, patterns: Probabilities in the order of the config's names, each summing to 1.
    """

    box: tuple[float, float, float, float]
    distance: float
    score: float
    kinds: tuple[float, ...]
    colors: tuple[float, ...]
    patterns: tuple[float, ...]


@dataclass(frozen=True)
class _Wanted:
    """What a name asks for: places in the config's lists; None stands for any."""

    kind: int
    color: int | None
    pattern: int | None


class SpatialLocalizer(torch.nn.Module):
    """Finds things of the procedural scenes by name."""

    def __init__(
        self, config: LocalizerConfig, *, threshold: float = THRESHOLD, batch_size: int = 32
    ) -> None:
        """Make a localizer with random weights.

        Args:
            config: What it knows, and its size.
            threshold: Least score of a detection, in [0, 1].
            batch_size: Images that go through the network together.

        Raises:
            ValueError: If the threshold is not in [0, 1].
        """
        super().__init__()
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold must be a confidence in [0, 1], got {threshold}")
        self.config = config
        self.network = LocalizerNetwork(config).eval()
        self.threshold = threshold
        self.batch_size = batch_size

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path = "starter",
        *,
        device: str | torch.device | None = None,
        threshold: float = THRESHOLD,
    ) -> SpatialLocalizer:
        """Load a localizer.

        Args:
            id_or_path: "starter" for the bundled one, or a folder that `save_pretrained` wrote.
            device: Where to put it.
            threshold: As for the constructor.

        Raises:
            FileNotFoundError: If a file is missing.
            ValueError: If a file is not what it should be.
        """
        folder = Path(id_or_path)
        if str(id_or_path) == "starter":
            folder = Path(import_module("spatial_core.starter").starter_path("localizer"))
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"A localizer is a folder with {CONFIG_FILE} and {WEIGHTS_FILE}; {folder} has no {name}. "
                    "Pass 'starter', or make one with: spatial train-localizer localizer."
                )
        config = _read_config(folder / CONFIG_FILE)
        localizer = cls(config, threshold=threshold)
        try:
            with safe_open(folder / WEIGHTS_FILE, framework="pt") as reader:
                weights = {key: reader.get_tensor(key).float() for key in reader.keys()}
            localizer.network.load_state_dict(weights)
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"{folder / WEIGHTS_FILE} does not hold the weights of a localizer of its config ({error}). "
                "Fetch or train it again."
            ) from error
        return localizer.to(device)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the config and the weights in half precision."""
        folder = Path(save_directory)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            key: value.detach().cpu().half().contiguous() for key, value in self.network.state_dict().items()
        }
        with atomic_path(folder / WEIGHTS_FILE) as temporary:
            save_file(weights, temporary, metadata={"format": "pt"})
        write_text(folder / CONFIG_FILE, json.dumps(asdict(self.config), indent=1) + "\n")

    def knows(self, name: str) -> bool:
        """Whether `detect` can look for `name`."""
        try:
            self._wanted(name)
        except ValueError:
            return False
        return True

    def detect(self, images: ImagesLike, names: Sequence[str]) -> list[list[Detection]]:
        """Return what was found of `names` in each of B images, most confident first.

        A name is a kind with or without colour and pattern: "the red apple", "striped blue mug", "two green
        cubes". A thing is reported under every name that fits it. "wall" and "floor" are known, but have no
        outline: nothing is ever reported for them.

        Args:
            images: In any form that `spatial_core.images.to_tensors` takes. They are looked at as squares.
            names: What to look for.

        Raises:
            ValueError: If a name is none of what the localizer has learnt, or an image cannot be used.
        """
        for name in names:
            self._wanted(name)
        return [self.named(things, names) for things in self.look(images)]

    def named(self, things: Sequence[Sighting], names: Sequence[str]) -> list[Detection]:
        """Return which of `things` fits which of `names`, most confident first; raises what `detect` does."""
        found: list[Detection] = []
        for name in dict.fromkeys(names):
            wanted = self._wanted(name)
            for thing in things:
                score = 0.0 if wanted is None else _fit(thing, wanted)
                if score >= self.threshold:
                    found.append(Detection(name, thing.box, score, thing.distance))
        return sorted(found, key=lambda detection: -detection.score)

    def estimate(self, images: ImagesLike) -> list[Tensor]:
        """Return for each image a map [H, W] of distances in metres: at each pixel, the nearest thing's.

        Floor and walls have no distance of their own, so that the map's extremes are those of the things:
        what "in the foreground" and "in the background" are measured by.
        """
        tensors = to_tensors(images)
        return [
            distance_map(things, image.shape[-2], image.shape[-1]).to(image.device)
            for image, things in zip(tensors, self.look(tensors), strict=True)
        ]

    @torch.no_grad()
    def look(self, images: ImagesLike) -> list[list[Sighting]]:
        """Return every thing in each image, surest first, before any name is asked for."""
        tensors = to_tensors(images)
        weight = self.network.head.weight
        side = self.config.size
        found: list[list[Sighting]] = []
        for first in range(0, len(tensors), self.batch_size):
            part = tensors[first : first + self.batch_size]
            batch = torch.stack([resize(image.to(weight.device), side, side) for image in part])
            fields = self.network(batch.to(weight.dtype))
            for row, image in enumerate(part):
                found.append(_sightings(fields, row, image.shape[-2], image.shape[-1]))
        return found

    def _wanted(self, name: str) -> _Wanted | None:
        """Return what `name` asks for, None for a backdrop.

        Raises:
            ValueError: If it is none of what was learnt.
        """
        words = [_SAME_WORD.get(word, word) for word in name.lower().replace("-", " ").split()]
        words = [word for word in words if word not in _ARTICLES and word not in _COUNTS]
        if len(words) == 1 and words[0] in _BACKDROPS:
            return None
        config = self.config
        kinds = {kind: place for place, kind in enumerate(config.kinds)}
        # A kind may have two words: "picture frame".
        for length in (2, 1):
            head = " ".join([*words[-length:-1], singular(words[-1])]) if words else ""
            if len(words) >= length and head in kinds:
                break
        else:
            raise ValueError(self._unknown(name, f"its kinds are {', '.join(config.kinds)}"))
        color = pattern = None
        for word in words[:-length]:
            if word in config.colors and color is None and head not in config.uncolored:
                color = config.colors.index(word)
            elif word in config.patterns and pattern is None and head not in config.uncolored:
                pattern = config.patterns.index(word)
            else:
                known = f"{', '.join(config.colors)} and {', '.join(config.patterns)}"
                if head in config.uncolored:
                    known = f"none for a {head}"
                raise ValueError(self._unknown(name, f"it can tell one colour and one pattern of {known}"))
        return _Wanted(kinds[head], color, pattern)

    @staticmethod
    def _unknown(name: str, known: str) -> str:
        return (
            f"The localizer has not learnt to find '{name}': {known}. Ask for one of these, or use an "
            "open-vocabulary detector: GeometricScorer.from_pretrained('google/owlv2-base-patch16-ensemble')."
        )


def _fit(thing: Sighting, wanted: _Wanted) -> float:
    """Return the confidence that `thing` is there and is what was asked for."""
    color = 1.0 if wanted.color is None else thing.colors[wanted.color]
    pattern = 1.0 if wanted.pattern is None else thing.patterns[wanted.pattern]
    return thing.score * thing.kinds[wanted.kind] * color * pattern


def _sightings(fields: DenseFields, row: int, height: int, width: int) -> list[Sighting]:
    """Return the things of one picture: cells whose boxes agree vote, the hotter the more."""
    heat = fields.heat[row].float().sigmoid().flatten()
    cells = (heat > _LEAST_HEAT).nonzero().squeeze(1)
    heat = heat[cells]

    def at(field: Tensor) -> Tensor:
        return field[row].float().flatten(-2)[..., cells]

    boxes = at(fields.box).T
    kinds, colors, patterns = (at(f).softmax(0).T for f in (fields.kind, fields.color, fields.pattern))
    distances = at(fields.log_distance)
    same = _overlaps(boxes) > _ONE_THING
    free = heat.clone()
    scale = torch.tensor([width, height, width, height], device=heat.device)
    found: list[Sighting] = []
    while len(free) and float(free.max()) >= _LEAST_PEAK:
        peak = int(free.argmax())
        votes = torch.where(same[peak], free, 0.0)
        share = votes / votes.sum()
        left, top, right, bottom = ((share @ boxes).clamp(0, 1) * scale).tolist()
        found.append(
            Sighting(
                box=(left, top, right, bottom),
                distance=math.exp(float(share @ distances)),
                score=float(free[peak]),
                kinds=tuple((share @ kinds).tolist()),
                colors=tuple((share @ colors).tolist()),
                patterns=tuple((share @ patterns).tolist()),
            )
        )
        free = torch.where(same[peak], 0.0, free)
        free[peak] = 0.0
    return [thing for thing in found if thing.box[2] > thing.box[0] and thing.box[3] > thing.box[1]]


def _overlaps(boxes: Tensor) -> Tensor:
    """Return the intersection over union [N, N] of boxes [N, 4]."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(-1)
    return common / (area[:, None] + area[None] - common).clamp(min=1e-9)


def distance_map(things: Sequence[Sighting], height: int, width: int) -> Tensor:
    """Return [height, width] distances in metres: at each pixel the nearest thing's; 1 without any thing."""
    if not things:
        return torch.ones(height, width)
    boxes = torch.tensor([thing.box for thing in things])
    y, x = torch.arange(height)[:, None, None] + 0.5, torch.arange(width)[None, :, None] + 0.5
    out_x = torch.maximum(boxes[:, 0] - x, x - boxes[:, 2]).clamp(min=0)
    out_y = torch.maximum(boxes[:, 1] - y, y - boxes[:, 3]).clamp(min=0)
    # Within several boxes, the smallest counts: a cup on a table.
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    away = torch.hypot(out_x, out_y) + 1e-3 * area / (height * width)
    return torch.tensor([thing.distance for thing in things])[away.argmin(-1)]


def _read_config(path: Path) -> LocalizerConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8")).items()
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values}
        return LocalizerConfig(**given)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} must be the JSON that save_pretrained() wrote, but is not ({error}). Fetch it again."
        ) from error
