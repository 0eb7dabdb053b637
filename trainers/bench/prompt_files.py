"""The prompt files of published benchmarks, read where they lie, in the form in which they were published.

Nothing of them is shipped. Known are GenEval (`evaluation_metadata.jsonl`), T2I-CompBench (`spatial_val.txt`,
one prompt a line), VISOR (`text_spatial_rel_phrases.json`), DPG (`dpg_bench.csv`, or the folder of one text
file a prompt), TIIF (a JSONL file or a folder of them), UniGenBench (`test_prompts_en.csv` and `..._long`),
manifests of pair records, and any text file of one prompt a line. JSONL files of single fields taken from
these (`prompt` with `subject`, `relation`, `object`; `prompt` with `layout`) are known as well.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatial_core.geometry_benchmarks import T2I_COMPBENCH_2D, T2I_COMPBENCH_3D

GENEVAL_WORDS = {"left of": "left_of", "right of": "right_of", "above": "above", "below": "below"}
VISOR_WORDS = {"to the left of": "left_of", "to the right of": "right_of", "above": "above", "below": "below"}

_TIIF_GROUPS = {
    "BR": "2d_spatial_relation 3d_spatial_relation action+2d action+3d",
    "AR": "action+color action+texture color+2d color+3d shape+2d shape+3d texture+2d texture+3d",
    "RR": "numeracy+2d numeracy+3d comparison+2d comparison+3d differentiation+2d differentiation+3d "
    "negation+2d negation+3d",
}
"""Types of TIIF prompts by column: basic relation, attribute and relation, relation and reasoning."""

_TIIF_GROUP = {kind: group for group, kinds in _TIIF_GROUPS.items() for kind in kinds.split()}
_UNIGEN_SPACE = {
    "Entity Layout - Two-Dimensional Space": "2D",
    "Entity Layout - Three-Dimensional Space": "3D",
}


@dataclass(frozen=True)
class Gold:
    """The one relation that a benchmark judges a prompt by, in its own words."""

    subject: str
    relation: str
    object: str


@dataclass(frozen=True)
class BenchPrompt:
    """A prompt of a benchmark.

    Attributes:
        id: Its name in the benchmark.
        text: The prompt.
        tags: What it counts for, e.g. "TIIF short BR", "UniGenBench S 2D", "DPG relation-spatial".
        gold: What the benchmark judges, where it says so.
        source: The published record, for benchmarks whose output files repeat it.
    """

    id: str
    text: str
    tags: tuple[str, ...] = ()
    gold: Gold | None = None
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one file.

    Attributes:
        name: Of the file.
        form: Which form it has, a name of `FORMS`.
        prompts: In its order.
    """

    name: str
    form: str
    prompts: tuple[BenchPrompt, ...]


def read_prompts(path: str | Path, *, form: str = "auto") -> PromptSet:
    """Return the prompts of a benchmark's file or folder.

    Args:
        path: The file or folder.
        form: A name of `FORMS`; "auto" looks at the content.

    Raises:
        ValueError: If it cannot be read, has no prompts, is of no known form, or a line is malformed.
    """
    path = Path(path)
    if form not in ("auto", *FORMS):
        raise ValueError(f"The form of a prompt file is 'auto' or one of {', '.join(FORMS)}; got '{form}'.")
    if not path.exists():
        raise ValueError(f"There are no prompts at {path}. Name a file, or the folder of a benchmark.")
    form = _form_of(path) if form == "auto" else form
    try:
        prompts = tuple(FORMS[form](path))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read the prompts {path}: {error}.") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f"{path} is not of the form '{form}': it lacks or misnames {error}. Choose another form of "
            f"{', '.join(FORMS)}."
        ) from error
    if not prompts:
        raise ValueError(f"{path} holds no prompts of the form '{form}'.")
    return PromptSet(path.stem, form, prompts)


def _form_of(path: Path) -> str:
    if path.is_dir():
        return "tiif" if any(path.rglob("*.jsonl")) else "dpg"
    if path.suffix == ".txt":
        lines = [line for line in _lines(path) if line]
        return "t2i-compbench" if lines and all(map(_phrase_of, lines)) else "lines"
    if path.suffix == ".csv":
        head = next(csv.reader(io.StringIO(path.read_text("utf-8-sig"))), [])
        return "dpg" if "item_id" in head else "unigenbench"
    if path.suffix == ".json":
        return "visor"
    _, first = next(_records(path), (0, {}))
    for keys, form in (
        ({"tag", "include"}, "geneval"),
        ({"short_description"}, "tiif"),
        ({"layout"}, "unigenbench"),
        ({"prompt_rejected"}, "pairs"),
        ({"prompt"}, "triples"),
    ):
        if keys <= set(first):
            return form
    raise ValueError(f"{path} is of no known form. Name it: {', '.join(FORMS)}.")


def _geneval(path: Path) -> Iterator[BenchPrompt]:
    for number, record in _records(path):
        include = record["include"]
        placed = next((i for i in include if "position" in i), None)
        gold = None
        if placed is not None:
            relation, target = placed["position"]
            gold = Gold(placed["class"], relation, include[target]["class"])
        tags = (f"GenEval {record['tag']}",)
        yield BenchPrompt(f"{number - 1:05d}", _text(record["prompt"], number), tags, gold, record)


def _triples(path: Path) -> Iterator[BenchPrompt]:
    """Read single prompts with or without subject, relation and object, in the words of either benchmark."""
    for number, record in _records(path):
        gold = None
        if "relation" in record:
            gold = Gold(record["subject"], record["relation"], record["object"])
        tags = () if gold is None else (f"{benchmark_of(gold)} {gold.relation}",)
        yield BenchPrompt(f"{number - 1:05d}", _text(record["prompt"], number), tags, gold, record)


def benchmark_of(gold: Gold) -> str:
    """Return which benchmark uses these words for a relation."""
    return "GenEval" if gold.relation in GENEVAL_WORDS else "T2I-CompBench"


def _t2i_compbench(path: Path) -> Iterator[BenchPrompt]:
    for number, line in enumerate(_lines(path), start=1):
        phrase = _phrase_of(line)
        if not line:
            continue
        if phrase is None:
            raise ValueError(f"{path}, line {number}: '{line}' has none of the benchmark's phrases.")
        subject, _, anchor = line.partition(f" {phrase} ")
        gold = Gold(_bare(subject), phrase, _bare(anchor))
        yield BenchPrompt(f"{number - 1:06d}", line, (f"T2I-CompBench {phrase}",), gold)


def _visor(path: Path) -> Iterator[BenchPrompt]:
    try:
        records = json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}.") from error
    for record in records:
        # Prompts of one object, or of two joined by "and", say nothing about space.
        if record["rel_type"] in VISOR_WORDS and record["num_objects"] == 2:
            gold = Gold(record["obj_1_attributes"][0], record["rel_type"], record["obj_2_attributes"][0])
            tags = (f"VISOR {record['rel_type']}",)
            yield BenchPrompt(str(record["unique_id"]), _text(record["text"], 0), tags, gold, record)


def _dpg(path: Path) -> Iterator[BenchPrompt]:
    if path.is_dir():
        for file in sorted(path.glob("*.txt"), key=lambda f: (len(f.stem), f.stem)):
            yield BenchPrompt(file.stem, " ".join(file.read_text("utf-8").split()))
        return
    texts: dict[str, str] = {}
    spatial: set[str] = set()
    for row in csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))):
        name = row["item_id"]
        # The prompt stands in the first row of an item, or in all of them.
        texts[name] = texts.get(name) or " ".join(row["text"].split())
        if re.match(r"relation\s*-\s*spatial", row["tuple"]) or (
            row["category_broad"].strip() == "relation" and row["category_detailed"].strip() == "spatial"
        ):
            spatial.add(name)
    for name, text in texts.items():
        yield BenchPrompt(name, text, ("DPG relation-spatial",) if name in spatial else ())


def _tiif(path: Path) -> Iterator[BenchPrompt]:
    for file in sorted(path.rglob("*.jsonl")) if path.is_dir() else [path]:
        for number, record in _records(file):
            kind = record["type"]
            for length in ("short", "long"):
                group = f"TIIF {length} {_TIIF_GROUP[kind]}" if kind in _TIIF_GROUP else f"TIIF {length}"
                text = _text(record[f"{length}_description"], number)
                yield BenchPrompt(
                    f"{kind}-{number - 1}-{length}", text, (group, f"TIIF {kind}"), None, record
                )


def _unigenbench(path: Path) -> Iterator[BenchPrompt]:
    if path.suffix == ".csv":
        rows: Iterator[tuple[str, str, str, list[str]]] = (
            (path.stem, row["index"], row["prompt_en"], json.loads(row["sub_dims_en"])["Testpoints"])
            for row in csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))
        )
    else:
        rows = (
            (record["set"], record["index"], record["prompt"], [point for point, _ in record["layout"]])
            for _, record in _records(path)
        )
    for name, index, text, points in rows:
        length = "L" if name.endswith("_long") else "S"
        spaces = dict.fromkeys(_UNIGEN_SPACE[point] for point in points if point in _UNIGEN_SPACE)
        tags = tuple(f"UniGenBench {length} {space}" for space in spaces)
        yield BenchPrompt(f"{name}-{index}", text, tags)


def _pairs(path: Path) -> Iterator[BenchPrompt]:
    from spatial_trainers.pairs.records import read_records

    for record in read_records(path):
        yield BenchPrompt(record["id"], record["prompt"], (record["scene"],) if record.get("scene") else ())


def _plain(path: Path) -> Iterator[BenchPrompt]:
    for number, line in enumerate(_lines(path)):
        if line:
            yield BenchPrompt(f"{number:05d}", line)


FORMS: dict[str, Callable[[Path], Iterator[BenchPrompt]]] = {
    "geneval": _geneval,
    "t2i-compbench": _t2i_compbench,
    "visor": _visor,
    "dpg": _dpg,
    "tiif": _tiif,
    "unigenbench": _unigenbench,
    "triples": _triples,
    "pairs": _pairs,
    "lines": _plain,
}
"""Readers by the name of the form."""


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number, from 1, and object of every line of a JSONL file."""
    for number, line in enumerate(_lines(path), start=1):
        if not line:
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error}). Correct or remove it.") from error
        if not isinstance(record, dict):
            raise ValueError(f"{path}, line {number}: not a JSON object. Correct or remove it.")
        yield number, record


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text("utf-8-sig").split("\n")]


def _text(value: Any, number: int) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"Prompt {number} must be a text that is not empty; got {value!r}.")
    return value.strip()


def _phrase_of(line: str) -> str | None:
    # As whole words: the subject of "a pearl near a bear" is no place.
    phrases = (*T2I_COMPBENCH_2D, "hidden by", *T2I_COMPBENCH_3D)
    return next((phrase for phrase in phrases if f" {phrase} " in line), None)


def _bare(phrase: str) -> str:
    return re.sub(r"^(a|an|the)\s+", "", phrase.strip().rstrip("."))
