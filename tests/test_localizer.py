"""The localizer: what a name asks for, how cells become things, files, and what the bundled weights see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import spatial_core.starter
from spatial_core.localizer import CONFIG_FILE, WEIGHTS_FILE, Sighting, SpatialLocalizer
from spatial_core.localizer_network import DenseFields, LocalizerConfig, cell_centers
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.sampling import sample_scenes
from spatial_core.scorers.geometric import GeometricScorer

TINY = LocalizerConfig(
    kinds=("apple", "mug", "picture frame", "table"),
    colors=("red", "gray"),
    patterns=("plain", "striped"),
    uncolored=("table",),
    widths=(16, 16, 16),
    blocks=(1, 1, 1),
)


def tiny(threshold: float = 0.3) -> SpatialLocalizer:
    torch.manual_seed(0)
    return SpatialLocalizer(TINY, threshold=threshold)


def sighting(
    kind: int, color: int, box: tuple[float, float, float, float], distance: float = 1.0
) -> Sighting:
    kinds = tuple(0.97 if k == kind else 0.01 for k in range(4))
    colors = tuple(0.9 if c == color else 0.1 for c in range(2))
    return Sighting(box, distance, 0.95, kinds, colors, (0.8, 0.2))


LEFT, RIGHT = (10.0, 40.0, 30.0, 60.0), (80.0, 40.0, 100.0, 60.0)


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("apple", [LEFT, RIGHT]),
        ("the red apple", [LEFT]),
        ("two grey apples", [RIGHT]),
        ("plain gray apple", [RIGHT]),
        ("mug", []),
        ("picture frame", []),
        ("floor", []),
        ("the wall", []),
    ],
)
def test_a_name_finds_what_fits_it(name: str, boxes: list[tuple[float, ...]]) -> None:
    found = tiny().named([sighting(0, 0, LEFT), sighting(0, 1, RIGHT)], [name])
    assert [d.box for d in found] == boxes
    assert all(d.name == name and 0.3 <= d.score <= 1 and d.distance == 1.0 for d in found)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cat", "kinds are apple, mug"),
        ("", "kinds are apple"),
        ("small red apple", "one colour and one pattern of red"),
        ("red gray apple", "one colour"),
        ("red table", "none for a table"),
        ("red", "kinds are"),
    ],
)
def test_an_unknown_name_is_refused(name: str, says: str) -> None:
    localizer = tiny()
    assert not localizer.knows(name) and localizer.knows("the striped gray mug")
    with pytest.raises(ValueError, match=says):
        localizer.detect(torch.zeros(3, 128, 128), [name])


def drawn(boxes: list[tuple[tuple[float, ...], int]], cells: int = 32) -> DenseFields:
    """Fields of one picture in which each box's inner cells say its box and kind, and nothing else is hot."""
    at = cell_centers(cells, cells)
    heat = torch.full((1, cells, cells), -8.0)
    kind = torch.zeros(1, 4, cells, cells)
    field = torch.cat([at, at])[None].clone()
    for box, which in boxes:
        x0, y0, x1, y1 = box
        inside = (at[0] > x0) & (at[0] < x1) & (at[1] > y0) & (at[1] < y1)
        heat[0][inside] = 3.0
        kind[0, which][inside] = 9.0
        for edge in range(4):
            field[0, edge][inside] = box[edge]
    zeros = torch.zeros(1, 2, cells, cells)
    return DenseFields(heat, kind, zeros, zeros, field, torch.full((1, cells, cells), 0.5))


class Drawn(torch.nn.Module):
    """Stands where the network does and says what was drawn."""

    def __init__(self, fields: DenseFields) -> None:
        super().__init__()
        self.fields = fields
        self.head = torch.nn.Linear(1, 1)

    def forward(self, images: Tensor) -> DenseFields:
        return self.fields


def test_cells_that_agree_are_one_thing_and_neighbours_stay_two() -> None:
    localizer = tiny()
    boxes = [((0.1, 0.1, 0.3, 0.4), 1), ((0.32, 0.1, 0.52, 0.4), 1), ((0.0, 0.6, 1.0, 1.0), 3)]
    localizer.network = Drawn(drawn(boxes))  # type: ignore[assignment]
    (things,) = localizer.look(torch.zeros(3, 100, 200))
    assert len(things) == 3
    mugs = localizer.named(things, ["mugs"])
    # Pixels of the picture that was given, 200 wide and 100 high.
    np.testing.assert_allclose(sorted(d.box for d in mugs), [[20, 10, 60, 40], [64, 10, 104, 40]], atol=1e-3)
    assert mugs[0].distance == pytest.approx(np.exp(0.5), rel=1e-5)
    assert mugs[0].score > 0.9


def test_the_map_of_distances_takes_the_nearest_thing() -> None:
    localizer = tiny()
    boxes = [((0.1, 0.1, 0.3, 0.4), 1), ((0.6, 0.1, 0.8, 0.4), 0)]
    fields = drawn(boxes)
    fields.log_distance[0, :, 16:] = 1.5
    localizer.network = Drawn(fields)  # type: ignore[assignment]
    (distances,) = localizer.estimate(torch.zeros(1, 3, 128, 128))
    assert distances.shape == (128, 128)
    assert distances[5, 5] == pytest.approx(np.exp(0.5)) and distances[100, 120] == pytest.approx(np.exp(1.5))


def test_files_bring_the_same_localizer_back(tmp_path: Path) -> None:
    localizer = tiny().eval()
    localizer.save_pretrained(tmp_path)
    again = SpatialLocalizer.from_pretrained(tmp_path)
    assert again.config == TINY
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        # Stored in half precision.
        torch.testing.assert_close(again.network(image).box, localizer.network(image).box, atol=5e-3, rtol=0)


def test_what_no_localizer_can_be_read_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="has no config.json"):
        SpatialLocalizer.from_pretrained(tmp_path)
    tiny().save_pretrained(tmp_path)
    (tmp_path / CONFIG_FILE).write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="must be the JSON"):
        SpatialLocalizer.from_pretrained(tmp_path)
    (tmp_path / CONFIG_FILE).write_text(
        json.dumps({"kinds": ["apple"], "colors": [], "patterns": []}), "utf-8"
    )
    with pytest.raises(ValueError, match="does not hold the weights"):
        SpatialLocalizer.from_pretrained(tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes(b"no")
    with pytest.raises(ValueError, match="does not hold the weights"):
        SpatialLocalizer.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"confidence in \[0, 1\], got 2"):
        tiny(threshold=2)


def test_no_images_give_nothing() -> None:
    assert tiny().detect([], ["apple"]) == []


BUNDLED = Path(spatial_core.starter.__file__).parent / "localizer" / WEIGHTS_FILE


@pytest.fixture(scope="module")
def starter() -> SpatialLocalizer:
    return SpatialLocalizer.from_pretrained("starter")


def test_the_bundled_weights_are_small() -> None:
    assert BUNDLED.stat().st_size <= 5 * 2**20


def test_the_starter_finds_what_new_scenes_hold(starter: SpatialLocalizer) -> None:
    batch = sample_scenes(range(9_000_000, 9_000_012))
    overlaps: list[float] = []
    for row, scene in enumerate(batch.scenes):
        for index, thing in enumerate(scene.objects):
            if not thing.named or OBJECT_KINDS[thing.kind].category == "furniture":
                continue
            name = f"{'' if thing.pattern == 'plain' else thing.pattern + ' '}{thing.color} {thing.kind}"
            (found,) = starter.detect(batch.rendering.images[row], [name])
            box = batch.rendering.full_boxes[row, index].tolist()
            overlaps.append(max((overlap(box, d.box) for d in found), default=0.0))
    assert len(overlaps) > 20 and float(np.mean(overlaps)) > 0.6


def test_the_starter_judges_relations_through_the_geometric_scorer(starter: SpatialLocalizer) -> None:
    batch = sample_scenes(range(9_100_000, 9_100_012))
    scorer = GeometricScorer(starter, starter)
    right: list[bool] = []
    for row, (scene, closure) in enumerate(zip(batch.scenes, batch.closures, strict=True)):
        kinds = [thing.kind for thing in scene.objects]
        for statement in closure.statements():
            both = [kinds[i] for i in (statement.subject, *statement.objects) if i >= 0]
            if statement.relation != "left_of" or any(kinds.count(kind) > 1 for kind in both):
                continue
            for prompt, truth in ((both, "true"), (both[::-1], "false")):
                text = f"a {prompt[0]} to the left of a {prompt[1]}"
                reports = scorer.explain(batch.rendering.images[row], text)
                right.append(reports[0].verdict == truth)
    assert len(right) >= 10 and float(np.mean(right)) > 0.8


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / max(sum(areas) - common, 1e-9)
