"""`spatial scenes`: what it writes and prints."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from spatial_core import cli
from spatial_core.scenes.margins import MEASURED


def test_pictures_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--count", "34", "--size", "32", "--seed", "9", "--num-relations", "1"]
    for processes in ("1", "2"):
        out = str(tmp_path / processes)
        assert cli.main(["scenes", "render", *words, "--processes", processes, "--out", out]) == 0
    one, two = ((tmp_path / name / "scenes.jsonl").read_text() for name in ("1", "2"))
    # The hash of every picture is in its record.
    assert one == two and len(one.splitlines()) == 34
    printed = capsys.readouterr().out
    assert re.search(
        r"[\d.]+ accepted pictures a second .* in 1 process; \d+ % of \d+ pictures accep", printed
    )
    assert "in 2 processes" in printed


def test_what_cannot_be_rendered_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scenes", "render", "--num-edits", "1", "--out", str(tmp_path)]) == 2
    assert "add --pairs" in capsys.readouterr().err
    assert cli.main(["scenes", "render", "--num-relations", "40", "--out", str(tmp_path)]) == 2
    assert "between 1 and 12" in capsys.readouterr().err


@pytest.mark.benchmarks
def test_thirty_accepted_pictures_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--count", "1200", "--processes", "2", "--out", str(tmp_path)]
    assert cli.main(["scenes", "render", *words]) == 0
    found = re.search(r"([\d.]+) accepted pictures a second.* (\d+) % of", capsys.readouterr().out)
    assert found is not None and float(found[1]) >= 30 and int(found[2]) >= 30


def test_sheet_of_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kinds.png"
    assert cli.main(["scenes", "kinds", "--out", str(path)]) == 0
    with Image.open(path) as sheet:
        assert min(sheet.size) > 1000
    assert cli.main(["scenes", "kinds", "--out", str(tmp_path / "kinds.txt")]) == 2
    assert "must end in .png" in capsys.readouterr().err


def test_margins_are_printed_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "margins.png"
    assert cli.main(["scenes", "margins", "--count", "6", "--json", "--out", str(path)]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["relation"] for record in records] == list(MEASURED)
    for record in records:
        for state, counts in record["histogram"].items():
            assert sum(counts) == record[state] and len(counts) == record["bins"][2]
    with Image.open(path) as plot:
        assert min(plot.size) > 600
    assert cli.main(["scenes", "margins", "--count", "3"]) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].endswith(" scenes") and "\npicture_center " in table


def test_drawing_margins_needs_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["scenes", "margins", "--out", str(tmp_path / "margins.png")]) == 2
    assert "pip install 'spatial-diffusion[plots]'" in capsys.readouterr().err
