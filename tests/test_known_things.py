"""Prompts that ask small models for things they have not learned: judges and `spatial generate` say so."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spatial_core import SpatialScorer, cli
from spatial_core.known_things import listed, unknown_things
from spatial_core.language.parser import parse_prompt
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.pairs import sample_pairs
from spatial_core.starter import starter_path


def test_names_are_known_by_their_last_word() -> None:
    graph = parse_prompt(
        "Two cats to the left of a coffee mug, and a picture frame on the wall above the cats."
    )
    assert unknown_things(graph, {"mug", "picture frame"}) == ("cat",)
    assert unknown_things(graph, {"cat", "frame", "mug"}) == ()
    assert listed(["cat"]) == "'cat'" and listed(["a", "b", "c"]) == "'a', 'b' and 'c'"


def test_scenes_never_speak_of_what_the_starter_has_not_learned() -> None:
    for pair in sample_pairs(range(24), split=None).pairs:
        for text in (pair.caption.text, pair.caption_rejected.text):
            assert unknown_things(parse_prompt(text), OBJECT_KINDS) == (), text


@pytest.mark.parametrize("kind", ["reward", "vqa"])
def test_a_judge_says_what_it_has_not_learned(kind: str) -> None:
    scorer = SpatialScorer.from_pretrained("starter", scorer=kind)  # pyright: ignore[reportArgumentType]
    assert scorer.known_things == frozenset(OBJECT_KINDS)
    notes = scorer.score(
        torch.rand(3, 64, 64),
        ["a red teapot to the left of a mug", "a cat to the left of a dog", "a mug behind a zebra"],
    ).notes
    assert notes[0] == ""
    assert notes[1].startswith("The judge has never learned what 'cat' and 'dog' look like")
    assert "'zebra' looks like" in notes[2]


def test_rank_shows_the_note(capsys: pytest.CaptureFixture[str]) -> None:
    images = starter_path("reward").parent / "demo" / "images"
    assert cli.main(["rank", str(images), "--prompt", "a cat to the left of a mug", "--top", "1"]) == 0
    assert "note: The judge has never learned what 'cat' looks like" in capsys.readouterr().out


def test_generate_says_so_before_it_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["--candidates", "1", "--steps", "1", "--device", "cpu"]
    assert cli.main(["generate", "a cat to the left of a red ball", *few]) == 0
    assert "note: this model has never learned to draw 'cat'. It knows ball, cube" in capsys.readouterr().err
    assert cli.main(["generate", "a blue cup to the left of a red ball", *few]) == 0
    assert "note" not in capsys.readouterr().err
