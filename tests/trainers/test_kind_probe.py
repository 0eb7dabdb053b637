"""A classifier names what scenes hold."""

from __future__ import annotations

import json

import pytest

from spatial_core import cli
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_trainers.pairs.kind_probe import BAR, probe_kinds


@pytest.mark.slow
def test_a_small_classifier_names_the_kinds() -> None:
    named = probe_kinds()
    assert len(named) == len(OBJECT_KINDS) >= 24
    share = sum(named.values()) / (40 * len(named))
    assert share >= BAR, {kind: count for kind, count in named.items() if count < 36}


def test_command_says_when_too_few_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe-kinds", "--train", "1", "--test", "1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found["kinds"]) == set(OBJECT_KINDS) and found["n"] == len(OBJECT_KINDS)
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert cli.main(["probe-kinds", "--test", "0"]) == 2
    assert "train and test must be >= 1" in capsys.readouterr().err
