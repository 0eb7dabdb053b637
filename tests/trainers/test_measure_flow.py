"""Measuring a starter generator: held-out prompts, and what is found of them."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest
import torch

from spatial_core.language.parser import parse_prompt
from spatial_core.localizer import SpatialLocalizer
from spatial_core.localizer_network import LocalizerConfig
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.splits import split_of
from spatial_core.spatial_accuracy import inverse_graph
from spatial_trainers.commands import measure_starter
from spatial_trainers.flow.measure import held_out_prompts, presence
from spatial_trainers.flow.scenes import sample_flow_scenes
from spatial_trainers.flow.world import FlowWorld
from spatial_trainers.localizer.evaluation import judge_rendered
from spatial_trainers.rl.prompts import write_prompts
from spatial_trainers.scene_cache import pack_scenes


def _config() -> LocalizerConfig:
    return LocalizerConfig(tuple(OBJECT_KINDS), tuple(COLORS), tuple(PATTERNS), widths=(8, 8, 8))


def test_prompts_state_test_combinations_only() -> None:
    prompts = held_out_prompts(24)
    assert len({p.text for p in prompts}) == 24
    checked = 0
    for prompt in prompts:
        graph = parse_prompt(prompt.text)
        names = [entity.name for entity in graph.entities]
        assert 1 <= len(graph.relations) <= 4
        for relation in graph.relations:
            if relation.objects == ("picture",):
                combination = (names[relation.subject], relation.relation, "picture")
            else:
                anchors = "+".join(sorted(names[int(o)] for o in relation.objects))
                combination = (names[relation.subject], relation.relation, anchors)
            assert split_of(*combination) == "test", prompt.text
            checked += 1
    assert checked >= 24


def test_nothing_is_asked_that_a_detector_of_things_cannot_see() -> None:
    for prompt in [*held_out_prompts(40), *write_prompts(40)]:
        assert not {"floor", "wall"} & set(prompt.text.lower().replace(".", " ").split())


def test_every_name_has_its_colour() -> None:
    for named in (2, 4):
        for relations in (False, True):
            for prompt in held_out_prompts(6, named=named, relations=relations):
                assert len(prompt.names) == named
                assert all(set(name.split()) & set(COLORS) for name in prompt.names)
                assert all(name in prompt.text.lower() for name in prompt.names)


def test_more_things_than_the_scenes_of_training_have() -> None:
    for prompt in held_out_prompts(4, named=5, invertible=True):
        assert len(set(prompt.names)) == 5 and all(name in prompt.text.lower() for name in prompt.names)


def test_the_judge_is_measured_on_scenes_whose_truth_is_known() -> None:
    rendered = sample_flow_scenes(range(12), FlowWorld(counts=(2,)))
    scenes = pack_scenes(rendered.scenes, rendered.rendering, rendered.closures)
    figures = judge_rendered(SpatialLocalizer.from_pretrained("starter"), scenes)
    assert figures["scenes"] == len(rendered.scenes) and figures["found"] > 0.8
    families = figures["families"]
    assert families["all"]["agreement"] > 0.8
    assert families["left_of"]["n_true"] and families["left_of"]["n_false"]
    blind = judge_rendered(SpatialLocalizer(_config(), threshold=1.0), scenes)
    assert blind["found"] == 0 and blind["families"]["all"]["true"] == 0


def test_prompts_are_the_same_every_time() -> None:
    assert held_out_prompts(5) == held_out_prompts(9)[:5]


def test_what_a_localizer_does_not_see_is_absent() -> None:
    torch.manual_seed(0)
    blind = SpatialLocalizer(_config(), threshold=1.0)
    prompts = held_out_prompts(3, named=2, relations=False)
    found = presence(torch.rand(3, 3, 128, 128), prompts, blind)
    assert found["things"] == 0 and found["whole"] == 0 and found["prompts"] == 3
    assert 0 < found["high"] < 1


def test_no_prompts_is_an_error() -> None:
    parser = ArgumentParser()
    measure_starter.add_arguments(parser)
    with pytest.raises(ValueError, match="at least 1"):
        measure_starter.run(parser.parse_args(["--prompts", "0"]))


def test_prompts_for_the_accuracy_can_be_inverted() -> None:
    asked = held_out_prompts(24, invertible=True)
    assert len(asked) == 24
    assert all(inverse_graph(parse_prompt(prompt.text)).relations for prompt in asked)
    # Otherwise some say only that things are in line, whose inverse is the same.
    assert not all(inverse_graph(parse_prompt(p.text)).relations for p in held_out_prompts(150))
