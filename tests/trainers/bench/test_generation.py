"""The generation benchmark: numbers by hand, and whole runs on a tiny FLUX with a real judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pipelines import FAMILIES, LeftBrightnessScorer
from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import SpatialScores
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.geometric import GeometricScorer
from spatial_trainers.bench.benchmark_files import write_benchmark_files
from spatial_trainers.bench.drawing import pipeline_drawer
from spatial_trainers.bench.generation_benchmark import run_generation_benchmark, spatial_only
from spatial_trainers.bench.generation_metrics import measure_generation, selected_at_n
from spatial_trainers.bench.generation_report import table_2
from spatial_trainers.bench.generation_run import SCORES, VERDICTS, Run, draw_images
from spatial_trainers.bench.prompt_files import BenchPrompt, Gold, PromptSet

COLORS = {"red": (220, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 220)}


class ColorDetector:
    """Finds "red ball" and the like where the pixels have that colour. It really looks."""

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        return [[d for name in names if (d := self._find(image, name)) is not None] for image in images]

    @staticmethod
    def _find(image: Tensor, name: str) -> Detection | None:
        color = next((COLORS[word] for word in name.split() if word in COLORS), None)
        if color is None:
            raise ValueError(f"No colour in {name!r}.")
        near = ((image.permute(1, 2, 0) * 255 - torch.tensor(color)).abs() < 40).all(-1)
        rows, columns = near.any(1).nonzero().flatten(), near.any(0).nonzero().flatten()
        if not len(rows):
            return None
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return Detection(name, tuple(map(float, box)), 0.9)


class OnlyRelations(LeftBrightnessScorer):
    """Refuses prompts that place nothing, as a judge refuses what it has not learnt."""

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        if not all(graph.relations for graph in graphs):
            raise ValueError("This one has nothing on its left.")
        return super()._score(images, graphs, explain=explain)


def scene(**boxes: tuple[int, int, int, int]) -> Image.Image:
    """Coloured rectangles on white."""
    picture = Image.new("RGB", (64, 64), "white")
    for name, box in boxes.items():
        picture.paste(COLORS[name], box)
    return picture


def judge() -> GeometricScorer:
    return GeometricScorer(ColorDetector())


def numbered(*texts: str) -> PromptSet:
    return PromptSet("mine", "lines", tuple(BenchPrompt(f"{i:05d}", text) for i, text in enumerate(texts)))


LEFT = scene(red=(4, 24, 16, 36), blue=(44, 24, 56, 36))
RIGHT = scene(blue=(4, 24, 16, 36), red=(44, 24, 56, 36))


def test_best_of_n_is_the_mean_over_all_subsets() -> None:
    rng = np.random.default_rng(0)
    scores, correct = rng.normal(size=6), (rng.random(6) < 0.5).tolist()
    for n in range(1, 7):
        subsets = list(combinations(range(6), n))
        chosen = [correct[max(some, key=lambda i: scores[i])] for some in subsets]
        assert selected_at_n(scores, correct, n) == pytest.approx(sum(chosen) / len(subsets))
    with pytest.raises(ValueError, match=r"n must be in \[1, 6\]"):
        selected_at_n(scores, correct, 7)


def _verdict(prompt: int, image: int, *verdicts: tuple[str, str], chance: bool = False) -> dict[str, Any]:
    return {
        "prompt": prompt,
        "image": image,
        "correct": all(v == "true" for _, v in verdicts),
        "correct_by_chance": chance,
        "relations": [
            {"relation": r, "text": r, "span": [0, 1], "verdict": v, "score": 0.5, "margin": 0.0}
            | {"boxes": None, "reason": ""}
            for r, v in verdicts
        ],
    }


def test_the_numbers_by_hand() -> None:
    prompts = (BenchPrompt("a", "x", ("TIIF short BR",)), BenchPrompt("b", "y"), BenchPrompt("c", "z"))
    verdicts = [
        _verdict(0, 0, ("left_of", "true")),
        _verdict(0, 1, ("left_of", "false"), chance=True),
        _verdict(1, 0, ("left_of", "true"), ("on", "ambiguous")),
        _verdict(1, 1, ("left_of", "true"), ("on", "true")),
    ]
    means = [(0, 0, 1.0), (0, 1, 2.0), (1, 0, 0.0), (1, 1, 4.0)]
    scores = [{"prompt": j, "image": k, "mean": m, "std": 0.1} for j, k, m in means]
    m = measure_generation(prompts, scores, verdicts, images=2, unjudged={2: "says nothing"})
    assert m["judged_images"] == 4 and m["not_judged"] == {"c": "says nothing"}
    # 2 of 4 pictures, of two prompts: the interval is that of 1 of 2.
    assert m["accuracy"] == {"accuracy": 0.5, "low": 0.094531, "high": 0.905469, "n": 4}
    assert m["chance"]["accuracy"] == 0.25
    assert m["relations"]["true"] == 4 and m["relations"]["n"] == 6 and m["relations"]["ambiguous"] == 1
    assert m["by_family"]["left_of"]["accuracy"] == 0.75 and m["by_family"]["on"]["accuracy"] == 0.5
    assert {k: row["accuracy"] for k, row in m["by_relations"].items()} == {"1": 0.5, "2": 0.5}
    assert m["by_tag"] == {"TIIF short BR": m["by_relations"]["1"]}
    # Mean over prompts of 1.5 and 2.0; the spread of two means is .25 * sqrt(2) / sqrt(2).
    assert m["score"]["mean"] == 1.75 and m["score"]["standard_error"] == pytest.approx(0.25)
    first, second = m["at_n"]
    assert first["pass"] == 0.5 and second["pass"] == 1.0
    # The scorer prefers the wrong image of the first prompt and the right one of the second.
    assert second["best_of_n"] == 0.5 and second["score"] == 3.0
    text = table_2("ours", m)
    assert "| ours | 1.75 | - | 0.500 | - |" in text
    assert "| FLUX.1-dev (*published*) | 2.18 | 0.871 | 0.769 |" in text


def test_one_prompt_that_fails_does_not_stop_the_run(tmp_path: Path) -> None:
    prompts = numbered("red ball left of blue ball", "this one breaks", "blue ball left of red ball")
    run = Run(tmp_path, prompts.prompts, 2)
    asked: list[list[str]] = []

    def draw(texts: Sequence[str], seeds: Sequence[int]) -> list[Image.Image]:
        asked.append(list(texts))
        if any("breaks" in text for text in texts):
            raise RuntimeError("out of ink")
        return [LEFT] * len(texts)

    failed = draw_images(run, draw, batch_size=3)
    assert failed == {(1, 0): "RuntimeError: out of ink", (1, 1): "RuntimeError: out of ink"}
    assert json.loads((tmp_path / "failed.json").read_text()) == {
        "00001, image 0": "RuntimeError: out of ink",
        "00001, image 1": "RuntimeError: out of ink",
    }
    assert [run.path(p).is_file() for p in run.places()] == [True, True, False, False, True, True]
    # A second run asks for what is missing alone.
    asked.clear()
    draw_images(run, draw, batch_size=1)
    assert asked == [["this one breaks"], ["this one breaks"]]


def test_a_run_on_a_tiny_flux(tmp_path: Path) -> None:
    pipeline = FAMILIES["flux"].pipeline()
    inputs = {**FAMILIES["flux"].inputs, "num_inference_steps": 1}
    prompts = numbered(
        "a red ball to the left of a blue ball",
        "a red ball above a blue ball, and a green ball to the right of the blue ball",
        "a red ball",
        "a purple ball above a red ball",
    )
    facts = {"model": "tiny", "call": inputs, "scorer": "bright", "judge": "colors"}

    def measured(folder: Path, images: int = 2) -> dict[str, Any]:
        return run_generation_benchmark(
            Run(folder, prompts.prompts, images),
            prompts,
            facts,
            name="tiny",
            draw=lambda: pipeline_drawer(pipeline, inputs),
            scorer=lambda: OnlyRelations(),
            judge=judge,
            batch_size=3,
        )

    whole = measured(tmp_path / "whole")
    assert whole["metrics"]["not_scored"] == {"00002": "This one has nothing on its left."}
    m = whole["metrics"]
    assert m["judged_images"] == 4 and m["prompts"] == 4
    assert m["not_judged"] == {
        "00002": "states no relation that could be inverted",
        "00003": "No colour in 'purple ball'.",
    }
    assert len((tmp_path / "whole" / SCORES).read_text().splitlines()) == 6
    for name in ("report.md", "report.json", "report.png", "failures.png"):
        assert (tmp_path / "whole" / name).stat().st_size > 0
    assert "# Generation benchmark: tiny" in (tmp_path / "whole" / "report.md").read_text()
    # Nothing is there of noise, so no picture is right, and the sheet shows both prompts.
    assert m["accuracy"]["accuracy"] == 0.0

    # Killed: an image missing, a line cut short. What is there is kept, and the rest made the same.
    cut = tmp_path / "cut"
    run = Run(cut, prompts.prompts, 2)
    measured(cut)
    run.path((1, 1)).unlink()
    for name in (SCORES, VERDICTS):
        text = (cut / name).read_text()
        (cut / name).write_text(text[: text.rfind("\n", 0, -1) + 10])
    kept = run.path((0, 0)).stat().st_mtime_ns
    again = measured(cut)
    assert run.path((0, 0)).stat().st_mtime_ns == kept
    assert again["metrics"] == m
    assert (
        run.path((1, 1)).read_bytes() == Run(tmp_path / "whole", prompts.prompts, 2).path((1, 1)).read_bytes()
    )

    # More images: those that are there stay.
    more = measured(cut, images=3)
    assert run.path((0, 0)).stat().st_mtime_ns == kept
    assert more["metrics"]["judged_images"] == 6 and [r["n"] for r in more["metrics"]["at_n"]] == [1, 2, 3]
    facts["model"] = "another"
    with pytest.raises(ValueError, match=r"another model \('tiny'\). Choose another --out"):
        measured(cut)


def test_images_depend_on_prompt_and_seed_alone() -> None:
    draw = pipeline_drawer(FAMILIES["flux"].pipeline(), {**FAMILIES["flux"].inputs, "num_inference_steps": 1})
    together = draw(["a red ball", "a blue cup"], [5, 6])
    alone = draw(["a blue cup"], [6])
    assert np.abs(np.asarray(together[1], int) - np.asarray(alone[0], int)).max() <= 1
    assert not np.array_equal(np.asarray(together[0]), np.asarray(together[1]))


def _run_of(folder: Path, prompts: PromptSet, pictures: Sequence[Image.Image]) -> Run:
    run = Run(folder, prompts.prompts, len(pictures))
    for place in run.places():
        run.path(place).parent.mkdir(parents=True, exist_ok=True)
        pictures[place[1]].save(run.path(place))
    return run


def test_geneval_files(tmp_path: Path) -> None:
    gold = Gold("red ball", "left of", "blue ball")
    prompts = (BenchPrompt("00000", "a photo of a red ball left of a blue ball", (), gold),)
    run = _run_of(tmp_path, PromptSet("x", "triples", prompts), [LEFT, RIGHT, scene(red=(0, 0, 9, 9))])
    written = write_benchmark_files(run, "triples", ColorDetector())
    assert written == {"GenEval": {"folder": "geneval", "images": 3, "correct": pytest.approx(1 / 3)}}
    folder = tmp_path / "geneval"
    metadata = json.loads((folder / "00000" / "metadata.jsonl").read_text())
    assert metadata == {
        "tag": "position",
        "include": [
            {"class": "blue ball", "count": 1},
            {"class": "red ball", "count": 1, "position": ["left of", 0]},
        ],
        "prompt": "a photo of a red ball left of a blue ball",
    }
    assert (folder / "00000" / "samples" / "00001.png").read_bytes() == run.path((0, 1)).read_bytes()
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [row["correct"] for row in rows] == [True, False, False]
    assert rows[0]["filename"] == "00000/samples/00000.png" and json.loads(rows[0]["metadata"]) == metadata
    assert json.loads(rows[0]["details"])["red ball"] == [[4.0, 24.0, 16.0, 36.0, pytest.approx(0.9)]]
    assert rows[2]["reason"] == "expected blue ball>=1, found 0"


class Steps:
    """Depth that grows to the right: what is on the left is nearer."""

    def estimate(self, images: Sequence[Tensor]) -> list[Tensor]:
        return [torch.linspace(1, 2, i.shape[-1]).expand(i.shape[-2:]) for i in images]


def test_t2i_compbench_files(tmp_path: Path) -> None:
    prompts = (
        BenchPrompt(
            "0", "a red ball on the left of a blue ball", (), Gold("red ball", "on the left of", "blue ball")
        ),
        BenchPrompt(
            "1", "a red ball in front of a blue ball", (), Gold("red ball", "in front of", "blue ball")
        ),
    )
    near = scene(blue=(10, 10, 50, 50), red=(10, 10, 45, 50))
    run = _run_of(tmp_path, PromptSet("x", "t2i-compbench", prompts), [LEFT, near])
    written = write_benchmark_files(run, "t2i-compbench", ColorDetector(), Steps())
    assert set(written) == {"T2I-CompBench 2D", "T2I-CompBench 3D"}
    flat = tmp_path / "t2i_compbench_2d"
    assert (flat / "samples" / "a red ball on the left of a blue ball_000001.png").is_file()
    answers = json.loads((flat / "labels" / "annotation_obj_detection_2d" / "vqa_result.json").read_text())
    # Both found with .9, and left: .225 + .225 + .5. In the other picture blue shows a strip on the right.
    assert answers[0] == {"question_id": 0, "answer": pytest.approx(0.95)}
    assert [a["question_id"] for a in answers] == [0, 1]
    deep = tmp_path / "t2i_compbench_3d" / "labels" / "annotation_obj_detection_3d" / "vqa_result.json"
    # Apart, so the position counts nothing, however near: .45 is left.
    assert json.loads(deep.read_text())[0] == {"question_id": 2, "answer": pytest.approx(0.45)}
    # Without depth the prompts in depth are left out.
    assert set(write_benchmark_files(run, "t2i-compbench", ColorDetector())) == {"T2I-CompBench 2D"}


def test_visor_files(tmp_path: Path) -> None:
    prompts = (
        BenchPrompt(
            "31", "a red ball to the left of a blue ball", (), Gold("red ball", "to the left of", "blue ball")
        ),
    )
    run = _run_of(tmp_path, PromptSet("x", "visor", prompts), [LEFT, RIGHT, scene(red=(0, 0, 9, 9)), LEFT])
    written = write_benchmark_files(run, "visor", ColorDetector(), model="tiny")["VISOR"]
    assert written["object accuracy"] == 0.75 and written["unconditional"] == 0.5
    assert written["conditional"] == pytest.approx(2 / 3) and written["at least n"] == [1.0, 1.0, 0.0, 0.0]
    file = tmp_path / "visor" / "results_tiny_text_spatial_rel_phrases_ours_0.1.json"
    rows = json.loads(file.read_text())
    assert rows["31_0"] == {
        "classes": ["red ball", "blue ball"],
        "centroid": [[10.0, 30.0], [50.0, 30.0]],
        "recall": 2,
        "sra": 1,
        "text": "a red ball to the left of a blue ball",
    }
    assert (rows["31_1"]["sra"], rows["31_2"]["recall"], rows["31_2"]["sra"]) == (0, 1, 0)
    assert (tmp_path / "visor" / "images" / "31_3.png").is_file()


def test_only_spatial_prompts() -> None:
    kept = spatial_only(numbered("a red ball", "a red ball above a blue ball"))
    assert [p.id for p in kept.prompts] == ["00001"]
    with pytest.raises(ValueError, match="states a spatial relation"):
        spatial_only(numbered("a red ball"))
