"""Single scenes with prompts: true in every relation, decided by the seed, within the split."""

from __future__ import annotations

import pytest
import torch

from spatial_core.scenes.closure import TRUE
from spatial_core.scenes.prompted import PromptedBatch, sample_prompted
from spatial_core.scenes.splits import SPLITS, kinds_of, statement_split


@pytest.fixture(scope="module")
def batch() -> PromptedBatch:
    return sample_prompted(range(12), size=64, supersample=1)


def test_prompts_are_true_and_as_long_as_real_ones(batch: PromptedBatch) -> None:
    assert [scene.seed for scene in batch.scenes] == list(range(12))
    for prompted in batch.scenes:
        statements = prompted.caption.statements
        assert 3 <= len(statements) <= 10
        assert all(prompted.closure.state(statement) == TRUE for statement in statements)
        assert prompted.rendering.images.shape == (1, 3, 64, 64)
    assert 12 <= batch.num_tried <= 40


def test_a_scene_is_decided_by_its_seed_alone(batch: PromptedBatch) -> None:
    (again,) = sample_prompted([7], size=64, supersample=1).scenes
    assert again.caption.text == batch.scenes[7].caption.text
    torch.testing.assert_close(again.rendering.images, batch.scenes[7].rendering.images, rtol=0, atol=0)
    (other,) = sample_prompted([7], size=64, supersample=1, split="validation").scenes
    assert other.scene != again.scene


@pytest.mark.parametrize("split", SPLITS)
def test_prompts_state_combinations_of_their_split(split) -> None:
    for prompted in sample_prompted(range(4), size=64, supersample=1, split=split, num_relations=2).scenes:
        kinds = kinds_of(prompted.scene)
        assert len(prompted.caption.statements) == 2
        assert {statement_split(kinds, s) for s in prompted.caption.statements} == {split}


def test_no_seeds_and_odd_requests() -> None:
    assert sample_prompted([]) == PromptedBatch((), 0)
    for count in (0, 13):
        with pytest.raises(ValueError, match="between 1 and 12"):
            sample_prompted([0], num_relations=count)
