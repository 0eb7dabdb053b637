"""Prompts from files and scenes, and which of them a step uses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from spatial_core.language.parser import parse_prompt
from spatial_trainers.recipe import build
from spatial_trainers.rl.prompts import (
    CurriculumSampler,
    GroupSampler,
    Prompt,
    PromptsRecipe,
    Stage,
    load_prompts,
    read_prompts,
    write_prompts,
)


def test_a_text_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeffa cup left of a plate\n\n  a ball  \r\na cup left of a plate\n", encoding="utf-8")
    assert read_prompts(file) == ["a cup left of a plate", "a ball"]
    assert load_prompts(PromptsRecipe(file=str(file))) == [
        Prompt("a cup left of a plate", 1),
        Prompt("a ball", 0),
    ]


def test_a_jsonl_file(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "a cup", "id": 3}\n\n{"prompt": "a \\u00e9clair"}\n')
    assert read_prompts(file) == ["a cup", "a \u00e9clair"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"", "holds no prompt"),
        ("a.txt", b"\n  \n", "holds no prompt"),
        ("a.jsonl", b"\n", "holds no prompt"),
        ("a.txt", b"\xff\xfe\x00", "not text in UTF-8"),
        ("a.txt", None, "No such file"),
        ("a.jsonl", b'{"prompt": "a"}\n{"prompt"', "line 2: not JSON"),
        ("a.jsonl", b'{"text": "a"}\n', 'line 1: must be an object with a text under "prompt"'),
        ("a.jsonl", b'"a cup"\n', "line 1: must be an object"),
        ("a.jsonl", b'{"prompt": " "}\n', "line 1: must be an object"),
        ("a.jsonl", b'{"prompt": 3}\n', "line 1: must be an object"),
    ],
)
def test_unreadable_files(name: str, content: bytes | None, says: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        load_prompts(PromptsRecipe(file=str(tmp_path / name)))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Cannot read the prompts"):
        read_prompts(tmp_path)


def test_written_prompts_state_what_was_asked_for() -> None:
    found = write_prompts(24, relations=(1, 2, 4), held_out_family="left_of")
    assert Counter(prompt.num_relations for prompt in found) == {1: 8, 2: 8, 4: 8}
    assert len({prompt.text for prompt in found}) == 24
    graphs = [parse_prompt(prompt.text) for prompt in found]
    assert [len(graph.relations) for graph in graphs] == [prompt.num_relations for prompt in found]
    assert all(r.relation != "left_of" for graph in graphs for r in graph.relations)
    # A prefix of a longer list, and others under another seed or for another split.
    assert write_prompts(6, relations=(1, 2, 4), held_out_family="left_of") == found[:6]
    others = write_prompts(6, seed=1) + write_prompts(6, split="test")
    assert not {prompt.text for prompt in others} & {prompt.text for prompt in found}


def test_the_full_world_has_long_prompts_and_things_that_the_starter_does_not_draw() -> None:
    found = write_prompts(16, relations=(7,), world="full")
    assert {prompt.num_relations for prompt in found} == {7}
    assert any(
        word in prompt.text for prompt in found for word in ("striped", "dotted", "checkered", "checked")
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "set exactly one of them"),
        ({"file": "a.txt", "scenes": 4}, "set exactly one of them"),
        ({"scenes": 4, "relations": []}, "numbers from 1 to 10"),
        ({"scenes": 4, "relations": [0, 1]}, "numbers from 1 to 10; got .0, 1."),
        ({"scenes": 4, "curriculum": [{"from_step": 5, "relations": [1]}]}, "must begin at step 0"),
        (
            {"scenes": 4, "curriculum": [{"from_step": 0, "relations": [1]}] * 2},
            "each stage later than the one before",
        ),
        ({"scenes": 4, "currriculum": []}, "The nearest valid key is 'curriculum'"),
    ],
)
def test_recipes_that_cannot_be(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build(PromptsRecipe, table)


def test_a_stage_without_prompts(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("a cup left of a plate\n")
    recipe = PromptsRecipe(file=str(file), curriculum=(Stage(0, (1,)), Stage(5, (2, 3))))
    with pytest.raises(
        ValueError, match=r"Stage 2 of 'curriculum' needs prompts of \[2, 3\] relations; .* of \[1\]"
    ):
        load_prompts(recipe)


@pytest.mark.parametrize(("count", "groups"), [(7, 3), (5, 5), (3, 4), (1, 2)])
def test_every_prompt_is_seen_before_one_repeats(count: int, groups: int) -> None:
    sampler = GroupSampler(count, groups, seed=3)
    steps = 4 * count
    order = [i for step in range(steps) for i in sampler.indices(step)]
    for start in range(0, len(order) - count + 1, count):
        assert sorted(order[start : start + count]) == list(range(count))
    # A function of the step alone: a resumed run, asking in any order, gets the same.
    again = GroupSampler(count, groups, seed=3)
    assert [again.indices(step) for step in reversed(range(steps))] == [
        sampler.indices(step) for step in reversed(range(steps))
    ]
    if count > 3:
        assert [i for s in range(steps) for i in GroupSampler(count, groups, seed=4).indices(s)] != order


def test_a_sampler_needs_prompts_and_groups() -> None:
    for count, groups in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least one prompt and one group"):
            GroupSampler(count, groups, seed=0)


def test_a_curriculum_moves_from_stage_to_stage() -> None:
    prompts = [Prompt(str(i), 1 + i % 3) for i in range(12)]
    sampler = CurriculumSampler(prompts, (Stage(0, (1,)), Stage(4, (1, 2)), Stage(10, (3,))), 2, seed=0)
    seen = [{prompts[i].num_relations for i in sampler.indices(step)} for step in range(14)]
    assert all(found == {1} for found in seen[:4]) and all(found == {3} for found in seen[10:])
    assert set().union(*seen[4:10]) == {1, 2}
    within = [i for step in range(4, 8) for i in sampler.indices(step)]
    assert len(set(within)) == 8
    plain = CurriculumSampler(prompts, (), 2, seed=0)
    assert [plain.indices(s) for s in range(9)] == [GroupSampler(12, 2, 0).indices(s) for s in range(9)]


def test_a_file_of_many_lines_says_which_is_wrong(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": f"prompt {i}"}) for i in range(50)]
    lines[41] = "oops"
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="line 42"):
        read_prompts(tmp_path / "a.jsonl")
