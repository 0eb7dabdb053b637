"""Readers of published prompt files: tiny files written by hand in each form, and the files themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from spatial_trainers.bench.prompt_files import Gold, read_prompts

DATA = os.environ.get("SPATIAL_EVAL_DATA", "")
published = pytest.mark.skipif(not DATA, reason="SPATIAL_EVAL_DATA does not name a folder of prompt files")


def _jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_geneval(tmp_path: Path) -> None:
    position = {
        "tag": "position",
        "include": [{"class": "bench", "count": 1}, {"class": "dog", "count": 1, "position": ["left of", 0]}],
        "prompt": "a photo of a dog left of a bench",
    }
    counting = {
        "tag": "counting",
        "include": [{"class": "clock", "count": 2}],
        "exclude": [{"class": "clock", "count": 3}],
        "prompt": "a photo of two clocks",
    }
    found = read_prompts(_jsonl(tmp_path / "evaluation_metadata.jsonl", [position, counting]))
    assert found.form == "geneval" and found.name == "evaluation_metadata"
    first, second = found.prompts
    assert first.gold == Gold("dog", "left of", "bench") and first.tags == ("GenEval position",)
    assert first.id == "00000" and first.source == position
    assert second.gold is None and second.tags == ("GenEval counting",)


def test_t2i_compbench_and_plain_lines(tmp_path: Path) -> None:
    file = tmp_path / "spatial_val.txt"
    file.write_text("a balloon on the top of a giraffe\na bear near an egg\n", encoding="utf-8")
    found = read_prompts(file)
    assert found.form == "t2i-compbench"
    assert [p.gold for p in found.prompts] == [
        Gold("balloon", "on the top of", "giraffe"),
        Gold("bear", "near", "egg"),
    ]
    file.write_text("a balloon on the top of a giraffe\n\na pearl\n", encoding="utf-8")
    found = read_prompts(file)
    assert found.form == "lines" and [p.text for p in found.prompts] == [
        "a balloon on the top of a giraffe",
        "a pearl",
    ]
    with pytest.raises(ValueError, match="line 3: 'a pearl' has none of the benchmark's phrases"):
        read_prompts(file, form="t2i-compbench")


def test_visor(tmp_path: Path) -> None:
    rows = [
        {
            "unique_id": 7,
            "num_objects": 2,
            "obj_1_attributes": ["cat"],
            "obj_2_attributes": ["car"],
            "rel_type": "to the left of",
            "text": "a cat to the left of a car",
        },
        {
            "unique_id": 8,
            "num_objects": 2,
            "obj_1_attributes": ["cat"],
            "obj_2_attributes": ["car"],
            "rel_type": "and",
            "text": "a cat and a car",
        },
    ]
    file = tmp_path / "text_spatial_rel_phrases.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    (prompt,) = read_prompts(file).prompts
    assert prompt.id == "7" and prompt.gold == Gold("cat", "to the left of", "car")


DPG_COLUMNS = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,"
    "question_natural_language\n"
)
DPG = """partiprompts1,"A cup stands left
of a plate.",,1,0,entity,whole,entity - whole (cup),Is there a cup?
partiprompts1,"A cup stands left
of a plate.",,2,0,entity,whole,entity - whole (plate),Is there a plate?
partiprompts1,,,3,"1, 2",relation,spatial,"relation - spatial (cup, plate, left of)",Is it?
7,A red car.,,1,0,entity,whole,entity - whole (car),Is there a car?
"""


def test_dpg(tmp_path: Path) -> None:
    file = tmp_path / "dpg_bench.csv"
    file.write_text(DPG_COLUMNS + DPG, encoding="utf-8")
    found = read_prompts(file)
    assert found.form == "dpg"
    assert [(p.id, p.text, p.tags) for p in found.prompts] == [
        ("partiprompts1", "A cup stands left of a plate.", ("DPG relation-spatial",)),
        ("7", "A red car.", ()),
    ]
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "10.txt").write_text("Ten\nlines.\n", encoding="utf-8")
    (folder / "9.txt").write_text("Nine.", encoding="utf-8")
    assert [(p.id, p.text) for p in read_prompts(folder).prompts] == [("9", "Nine."), ("10", "Ten lines.")]


def test_tiif(tmp_path: Path) -> None:
    folder = tmp_path / "test_prompts"
    for kind in ("2d_spatial_relation", "color+3d", "negation+2d", "style"):
        row = {"type": kind, "short_description": f"A {kind}.", "long_description": f"A long {kind}."}
        _jsonl(folder / f"{kind}_prompts.jsonl", [row])
    found = read_prompts(folder)
    assert found.form == "tiif" and len(found.prompts) == 8
    tags = {p.id: p.tags for p in found.prompts}
    assert tags["2d_spatial_relation-0-short"] == ("TIIF short BR", "TIIF 2d_spatial_relation")
    assert tags["color+3d-0-long"][0] == "TIIF long AR"
    assert tags["negation+2d-0-short"][0] == "TIIF short RR"
    assert tags["style-0-long"][0] == "TIIF long"
    assert read_prompts(folder / "style_prompts.jsonl").prompts[1].text == "A long style."


def test_unigenbench(tmp_path: Path) -> None:
    points = ["Style", "Entity Layout - Two-Dimensional Space", "Entity Layout - Three-Dimensional Space"]
    dims = json.dumps({"Testpoints": points, "Testpoint Description": ["a", "b", "c"]}).replace('"', '""')
    for name, length in (("test_prompts_en", "S"), ("test_prompts_en_long", "L")):
        file = tmp_path / f"{name}.csv"
        file.write_text(
            f'index,prompt_en,sub_dims_en\n4,"A cat, left of a dog.","{dims}"\n', encoding="utf-8"
        )
        found = read_prompts(file)
        (prompt,) = found.prompts
        assert found.form == "unigenbench" and prompt.text == "A cat, left of a dog."
        assert prompt.tags == (f"UniGenBench {length} 2D", f"UniGenBench {length} 3D")


@published
@pytest.mark.parametrize(
    ("file", "form", "count"),
    [
        ("geneval_position_counting.jsonl", "triples", 180),
        ("t2icompbench_spatial.jsonl", "triples", 1000),
        ("t2icompbench_3d_spatial.jsonl", "triples", 1000),
        ("unigenbench_layout_half.jsonl", "unigenbench", 223),
    ],
)
def test_the_published_prompts(file: str, form: str, count: int) -> None:
    found = read_prompts(Path(DATA) / file)
    assert (found.form, len(found.prompts)) == (form, count)
    if form == "unigenbench":
        tags = {tag for p in found.prompts for tag in p.tags}
        assert (
            {"UniGenBench S 2D", "UniGenBench S 3D"}
            <= tags
            <= {f"UniGenBench {length} {space}" for length in "SL" for space in ("2D", "3D")}
        )
    else:
        golds = [p.gold for p in found.prompts if p.gold is not None]
        assert len(golds) == (100 if "geneval" in file else 1000)
        assert all(g.subject in p.text for p, g in zip(found.prompts[-100:], golds[-100:], strict=True))


@published
def test_t2i_compbench_lines_give_the_same_relations(tmp_path: Path) -> None:
    """The published text file has one prompt a line; its relations are read from the words."""
    for name in ("t2icompbench_spatial", "t2icompbench_3d_spatial"):
        known = read_prompts(Path(DATA) / f"{name}.jsonl").prompts
        file = tmp_path / f"{name}.txt"
        file.write_text("\n".join(p.text for p in known) + "\n", encoding="utf-8")
        found = read_prompts(file)
        assert found.form == "t2i-compbench"
        assert [p.gold for p in found.prompts] == [p.gold for p in known]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"prompt": "a"\n', "line 1: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("a.jsonl", '{"prompt": " "}\n', "must be a text that is not empty"),
        ("a.jsonl", '{"caption": "a"}\n', "of no known form"),
        ("a.jsonl", '{"type": "style", "short_description": "a"}\n', "lacks or misnames 'long_description'"),
        ("a.txt", "\n\n", "holds no prompts"),
        ("a.csv", "index,text\n1,a\n", "lacks or misnames 'prompt_en'"),
        ("a.json", '{"a": 1', "is not JSON"),
    ],
)
def test_unreadable_prompts(tmp_path: Path, name: str, text: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_prompts(file)


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There are no prompts at"):
        read_prompts(tmp_path / "none.txt")
    with pytest.raises(ValueError, match="one of geneval"):
        read_prompts(tmp_path, form="other")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ValueError, match="Cannot read the prompts"):
        read_prompts(tmp_path / "a.txt", form="lines")
