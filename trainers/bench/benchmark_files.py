"""Images and results in the form of GenEval, T2I-CompBench and VISOR, so that their own scripts read them.

The results are those of each benchmark's own rule (`spatial_core.geometry_benchmarks`) on the boxes of our
judge's detector: its own scripts, with its own detector, can be run on the same folder and will differ by the
detector alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatial_core.atomic_files import write_bytes, write_text
from spatial_core.geometry_benchmarks import (
    T2I_COMPBENCH_3D,
    geneval_kept,
    geneval_position,
    t2i_compbench_2d,
    t2i_compbench_3d,
    t2i_compbench_phrase,
    t2i_compbench_score,
    visor,
    visor_image,
)
from spatial_core.images import to_tensors
from spatial_core.scorers.detection import DepthEstimator, Detection, Detector
from spatial_trainers.bench.generation_run import Place, Run
from spatial_trainers.bench.prompt_files import GENEVAL_WORDS, VISOR_WORDS, BenchPrompt, Gold, benchmark_of

VISOR_THRESHOLD = 0.1


@dataclass(frozen=True)
class _Seen:
    """The detections of a prompt's two things in one image, surest first."""

    place: Place
    image: Tensor
    subject: Sequence[Detection]
    object: Sequence[Detection]


def write_benchmark_files(
    run: Run,
    form: str,
    detector: Detector,
    depth: DepthEstimator | None = None,
    *,
    model: str = "model",
    skip: Sequence[int] = (),
) -> dict[str, dict[str, Any]]:
    """Write the files of the benchmarks that the prompts come from; returns their folders and figures.

    Args:
        run: Whose images; those that are missing are left out.
        form: Of the prompts, see `prompt_files.FORMS`.
        detector: Finds the two things of a prompt.
        depth: For T2I-CompBench's relations in depth; its prompts of that kind are left out without one.
        model: Name of the generator, in VISOR's file name.
        skip: Numbers of prompts that the detector cannot be asked about.
    """
    groups: dict[str, list[int]] = {"GenEval": [], "T2I-CompBench": [], "VISOR": []}
    for number, prompt in enumerate(run.prompts):
        if prompt.gold is not None and number not in skip:
            groups["VISOR" if form == "visor" else benchmark_of(prompt.gold)].append(number)
    written: dict[str, dict[str, Any]] = {}
    if groups["GenEval"]:
        written["GenEval"] = _geneval(run, _look(run, detector, groups["GenEval"]))
    if groups["T2I-CompBench"]:
        seen = _look(run, detector, groups["T2I-CompBench"])
        for three_d in (False, True):
            some = [s for s in seen if _is_3d(_gold(run, s)) == three_d]
            if some and (depth is not None or not three_d):
                name = f"T2I-CompBench {'3D' if three_d else '2D'}"
                written[name] = _t2i_compbench(run, some, depth if three_d else None)
    if groups["VISOR"]:
        written["VISOR"] = _visor(run, _look(run, detector, groups["VISOR"]), model)
    return written


def _look(run: Run, detector: Detector, numbers: Sequence[int]) -> list[_Seen]:
    found: list[_Seen] = []
    for number in numbers:
        places = [(number, k) for k in range(run.images) if run.path((number, k)).is_file()]
        if not places:
            continue
        gold = run.prompts[number].gold
        assert gold is not None
        images = to_tensors([run.path(place) for place in places])
        rows = detector.detect(images, [gold.subject, gold.object])
        for place, image, row in zip(places, images, rows, strict=True):
            sides = [
                sorted((d for d in row if d.name == name), key=lambda d: -d.score)
                for name in (gold.subject, gold.object)
            ]
            found.append(_Seen(place, image, sides[0], sides[1]))
    return found


def _geneval(run: Run, seen: Sequence[_Seen]) -> dict[str, Any]:
    folder = run.folder / "geneval"
    lines: list[dict[str, Any]] = []
    for one in seen:
        number, k = one.place
        prompt = run.prompts[number]
        gold, metadata = _gold(run, one), _geneval_metadata(prompt)
        image = folder / f"{number:05d}" / "samples" / f"{k:05d}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(image, run.path(one.place).read_bytes())
        write_text(folder / f"{number:05d}" / "metadata.jsonl", json.dumps(metadata))
        correct = geneval_position(
            GENEVAL_WORDS[gold.relation], *_tensors(one.subject), *_tensors(one.object)
        )
        kept = {
            name: [[*side[i].box, side[i].score] for i in geneval_kept(_tensors(side)[1]).tolist()]
            for name, side in ((gold.subject, one.subject), (gold.object, one.object))
        }
        lines.append(
            {
                "filename": str(image.relative_to(folder)),
                "tag": metadata["tag"],
                "prompt": prompt.text,
                "correct": correct,
                "reason": "" if correct else _geneval_reason(gold, kept),
                "metadata": json.dumps(metadata),
                "details": json.dumps({name: boxes for name, boxes in kept.items() if boxes}),
            }
        )
    write_text(folder / "results.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    share = sum(line["correct"] for line in lines) / len(lines)
    return {"folder": folder.name, "images": len(lines), "correct": share}


def _geneval_metadata(prompt: BenchPrompt) -> dict[str, Any]:
    if "include" in prompt.source:
        return dict(prompt.source)
    gold = prompt.gold
    assert gold is not None
    placed = {"class": gold.subject, "count": 1, "position": [gold.relation, 0]}
    return {"tag": "position", "include": [{"class": gold.object, "count": 1}, placed], "prompt": prompt.text}


def _geneval_reason(gold: Gold, kept: dict[str, list[list[float]]]) -> str:
    missing = [f"expected {name}>=1, found 0" for name, boxes in kept.items() if not boxes]
    return "\n".join(missing) or f"expected {gold.subject} {gold.relation} target"


def _t2i_compbench(run: Run, seen: Sequence[_Seen], depth: DepthEstimator | None) -> dict[str, Any]:
    name = "3d" if depth is not None else "2d"
    folder = run.folder / f"t2i_compbench_{name}"
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    answers: list[dict[str, Any]] = []
    mapping: list[dict[str, Any]] = []
    for one in seen:
        prompt = run.prompts[one.place[0]]
        number = one.place[0] * run.images + one.place[1]
        file = f"{prompt.text}_{number:06d}.png"
        write_bytes(folder / "samples" / file, run.path(one.place).read_bytes())
        answers.append({"question_id": number, "answer": _t2i_score(prompt.text, one, depth)})
        mapping.append({"image": file, "question_id": number})
    labels = folder / "labels" / f"annotation_obj_detection_{name}"
    labels.mkdir(parents=True, exist_ok=True)
    mean = sum(answer["answer"] for answer in answers) / len(answers)
    write_text(labels / "vqa_result.json", json.dumps(answers))
    write_text(labels / "mapping.json", json.dumps(mapping))
    write_text(labels / "avg_score.txt", f"score avg:{mean}")
    return {"folder": folder.name, "images": len(answers), "score": mean}


def _t2i_score(prompt: str, one: _Seen, depth: DepthEstimator | None) -> float:
    (boxes_a, scores_a), (boxes_b, scores_b) = _tensors(one.subject[:1]), _tensors(one.object[:1])
    position = torch.zeros(1, dtype=torch.float64)
    phrase = t2i_compbench_phrase(prompt, three_d=depth is not None)
    if phrase is not None and len(boxes_a) and len(boxes_b):
        if depth is None:
            position = t2i_compbench_2d(phrase, boxes_a, boxes_b)
        else:
            inverse = 1.0 / depth.estimate([one.image])[0].double()
            position = t2i_compbench_3d(phrase, boxes_a, boxes_b, inverse[None])
    known = [scores.double() if len(scores) else torch.zeros(1).double() for scores in (scores_a, scores_b)]
    return float(t2i_compbench_score(position, known[0], known[1], three_d=depth is not None))


def _visor(run: Run, seen: Sequence[_Seen], model: str) -> dict[str, Any]:
    folder = run.folder / "visor"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    verdicts: dict[int, list[tuple[bool, bool]]] = {}
    for one in seen:
        prompt, gold = run.prompts[one.place[0]], _gold(run, one)
        name = f"{prompt.id}_{one.place[1]}"
        write_bytes(folder / "images" / f"{name}.png", run.path(one.place).read_bytes())
        sides = [side for side in (one.subject, one.object) if side and side[0].score > VISOR_THRESHOLD]
        both, right = visor_image(
            VISOR_WORDS[gold.relation],
            *_tensors(one.subject),
            *_tensors(one.object),
            threshold=VISOR_THRESHOLD,
        )
        verdicts.setdefault(one.place[0], []).append((both, right))
        results[name] = {
            "classes": [side[0].name for side in sides],
            "centroid": [_center(side[0]) for side in sides],
            "recall": len(sides),
            "sra": int(right),
            "text": prompt.text,
        }
    file = f"results_{model}_text_spatial_rel_phrases_ours_{VISOR_THRESHOLD}.json"
    write_text(folder / file, json.dumps(results, indent=2))
    whole = [rows for rows in verdicts.values() if len(rows) == run.images]
    figures: dict[str, Any] = {"folder": folder.name, "images": len(results)}
    if whole:
        found = visor(
            torch.tensor([[both for both, _ in rows] for rows in whole]),
            torch.tensor([[right for _, right in rows] for rows in whole]),
        )
        figures |= {
            "object accuracy": found.object_accuracy,
            "conditional": found.conditional if found.object_accuracy else None,
            "unconditional": found.unconditional,
            "at least n": list(found.at_least),
        }
    return figures


def _gold(run: Run, seen: _Seen) -> Gold:
    gold = run.prompts[seen.place[0]].gold
    assert gold is not None
    return gold


def _is_3d(gold: Gold) -> bool:
    return any(phrase in gold.relation for phrase in T2I_COMPBENCH_3D)


def _tensors(side: Sequence[Detection]) -> tuple[Tensor, Tensor]:
    boxes = torch.tensor([d.box for d in side], dtype=torch.float64).view(-1, 4)
    return boxes, torch.tensor([d.score for d in side], dtype=torch.float64)


def _center(detection: Detection) -> list[float]:
    left, top, right, bottom = detection.box
    return [(left + right) / 2, (top + bottom) / 2]
