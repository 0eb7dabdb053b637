"""Margins: true and false statements keep clear of the dead zone, and every family has both."""

from __future__ import annotations

import numpy as np
import pytest

from spatial_core.geometry import DEAD_ZONE
from spatial_core.scenes.closure import AMBIGUOUS, BY_STATE, FALSE, FAMILIES, TRUE
from spatial_core.scenes.margins import MEASURED, FamilyMargins, family_margins, histogram
from spatial_core.scenes.sampling import SceneBatch, sample_scenes


@pytest.fixture(scope="module")
def batch() -> SceneBatch:
    return sample_scenes(range(40), size=64, supersample=1)


def test_what_is_used_lies_outside_the_dead_zone(batch: SceneBatch) -> None:
    found = family_margins(batch)
    assert set(found) == set(MEASURED) == set(FAMILIES) - BY_STATE
    for name, family in found.items():
        true, false = family.of(TRUE), family.of(FALSE)
        assert len(true) and len(false), name
        assert (true >= DEAD_ZONE).all() and (false <= -DEAD_ZONE).all(), name


def test_every_ordered_choice_of_named_things_is_counted(batch: SceneBatch) -> None:
    found = family_margins(batch)
    things = [
        sum(o.named and o.kind not in ("table", "shelf", "tray", "stool") for o in scene.objects)
        for scene in batch.scenes
    ]
    assert len(found["left_of"].margins) == sum(n * (n - 1) for n in things)
    assert len(found["between"].margins) == sum(n * (n - 1) * (n - 2) // 2 for n in things)
    assert len(found["picture_left"].margins) == sum(things)
    # The inverse says the same with its sides exchanged.
    np.testing.assert_array_equal(np.sort(found["above"].of(TRUE)), np.sort(found["below"].of(TRUE)))


def test_histograms_add_up() -> None:
    family = FamilyMargins(
        np.array([-1.0, -0.2, 0.05, 0.3, 1.0]), np.array([FALSE, FALSE, AMBIGUOUS, TRUE, TRUE], np.int8)
    )
    counts = histogram(family, bins=4)
    assert counts == {"true": [0, 0, 1, 1], "false": [1, 1, 0, 0], "ambiguous": [0, 0, 1, 0]}
    assert family.in_dead_zone == 0.2


def test_no_scenes_give_empty_families() -> None:
    found = family_margins(sample_scenes([], size=64))
    assert all(len(family.margins) == 0 and np.isnan(family.in_dead_zone) for family in found.values())
