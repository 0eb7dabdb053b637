"""What a scorer says of pairs: one line a comparison, in a file that anybody can write.

A line is a JSON object: `id` of the pair; `prompt`, which of its prompts was judged ("prompt", the default,
or "prompt_rejected"); the scores `chosen` and `rejected` of the pair's two pictures for that prompt, higher
is better, null where nothing could be said; and, if known, `probability`, the chance in [0, 1] that the
chosen picture is the better one. A model that only names a picture gives `answer` instead of scores:
"chosen", "rejected" or "tie".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatial_core.scorers.base import SpatialScorer
from spatial_core.selection import probability_better
from spatial_trainers.bench.journal import drop_cut_line
from spatial_trainers.pairs.data import Comparison, chunks

WAYS = ("prompt", "prompt_rejected")
_NAMED = {"chosen": (1.0, 0.0), "rejected": (0.0, 1.0), "tie": (0.0, 0.0)}

Key = tuple[str, bool]
"""Id of the pair, and whether `prompt_rejected` was judged."""


@dataclass(frozen=True)
class Answer:
    """What was said of one comparison.

    Attributes:
        chosen: Score of the pair's chosen picture; NaN if it was not judged.
        rejected: Score of the other one.
        probability: That the chosen picture is the better one; NaN if unknown.
        reason: Why it was not judged, if that is known.
    """

    chosen: float
    rejected: float
    probability: float = math.nan
    reason: str = ""

    def margin(self, case: Comparison) -> float:
        """Return the score of the better picture of `case` minus that of the worse one."""
        return self.rejected - self.chosen if case.other_way else self.chosen - self.rejected

    def probability_right(self, case: Comparison) -> float:
        """Return the probability given to the better picture of `case`."""
        return 1.0 - self.probability if case.other_way else self.probability


def key_of(case: Comparison) -> Key:
    """Return what identifies a comparison in a file of answers."""
    return case.pair.id, case.other_way


def read_answers(path: str | Path) -> dict[Key, Answer]:
    """Return the answers of a file.

    Raises:
        ValueError: If it cannot be read, or a line is not as described above; names the line.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"Cannot read the answers {path}: {error}. They are a JSONL file.") from error
    answers: dict[Key, Answer] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            key, answer = _parse(json.loads(line))
            if key in answers:
                raise ValueError(f"repeats the answer to '{key[0]}', {WAYS[key[1]]}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"lacks or misnames {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}, line {number}: the answer {reason}. Correct or remove it.") from error
        answers[key] = answer
    return answers


def answered_cases(
    answers: Mapping[Key, Answer], cases: Sequence[Comparison], *, source: str
) -> list[Comparison]:
    """Return the comparisons that a file of answers is about: all of them, or those of `prompt` alone.

    Raises:
        ValueError: If others are missing; says how to leave one out on purpose.
    """
    wanted = cases if any(way for _, way in answers) else [c for c in cases if not c.other_way]
    missing = [case for case in wanted if key_of(case) not in answers]
    if missing:
        first = ", ".join(f"{c.pair.id} ({WAYS[c.other_way]})" for c in missing[:3])
        raise ValueError(
            f"{source} has no answer to {len(missing)} of {len(wanted)} comparisons, such as {first}. "
            "Add them; what was not judged has null as 'chosen' and 'rejected' and counts as a tie."
        )
    return list(wanted)


def score_cases(
    scorer: SpatialScorer, cases: Sequence[Comparison], path: Path, *, batch_size: int = 8, name: str = ""
) -> dict[Key, Answer]:
    """Return the scorer's answers, written to `path` as they come; those that lie there are not made again.

    A prompt that the scorer refuses is not judged, and its reason is kept.

    Args:
        scorer: Sees the text of a prompt and one picture at a time.
        cases: The comparisons.
        path: Of the file of answers. A line that a kill cut short is made again.
        batch_size: Comparisons judged together.
        name: Shown by the progress bar.

    Raises:
        ValueError: If a picture cannot be read.
    """
    drop_cut_line(path)
    answers = read_answers(path) if path.is_file() else {}
    left = [case for case in cases if key_of(case) not in answers]
    with (
        path.open("a", encoding="utf-8") as file,
        tqdm(total=len(cases), initial=len(cases) - len(left), desc=name, disable=None) as bar,
    ):
        for some in chunks(left, batch_size):
            for case, answer in zip(some, _judge(scorer, some), strict=True):
                answers[key_of(case)] = answer
                file.write(json.dumps(_line(case, answer)) + "\n")
            file.flush()
            bar.update(len(some))
    return answers


def _judge(scorer: SpatialScorer, cases: Sequence[Comparison]) -> list[Answer]:
    images = [image.read() for case in cases for image in (case.pair.chosen, case.pair.rejected)]
    try:
        scores = scorer.score(images, [case.graph.text for case in cases for _ in range(2)])
    except ValueError as error:  # A prompt that this scorer cannot take is no reason to stop.
        if len(cases) == 1:
            return [Answer(math.nan, math.nan, reason=str(error))]
        return [answer for case in cases for answer in _judge(scorer, [case])]
    mean, std = scores.mean.tolist(), scores.std.tolist()
    return [
        Answer(mean[i], mean[i + 1], probability_better(mean[i], std[i], mean[i + 1], std[i + 1]))
        for i in range(0, len(mean), 2)
    ]


def _parse(record: Any) -> tuple[Key, Answer]:
    if not isinstance(record, dict):
        raise ValueError("is not a JSON object")
    way = record.get("prompt", WAYS[0])
    if way not in WAYS or not isinstance(record["id"], str):
        raise ValueError(f"must name its pair's id and one of {', '.join(WAYS)}; got {way!r}")
    if "answer" in record:
        if record["answer"] not in _NAMED:
            raise ValueError(f"must be one of {', '.join(_NAMED)}; got {record['answer']!r}")
        scores = _NAMED[record["answer"]]
    else:
        scores = (_number(record["chosen"]), _number(record["rejected"]))
    probability = _number(record.get("probability"))
    if probability < 0.0 or probability > 1.0:
        raise ValueError(f"must have a probability in [0, 1]; got {probability}")
    return (record["id"], way == WAYS[1]), Answer(*scores, probability, str(record.get("reason", "")))


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isinf(value):
        raise ValueError(f"must have finite numbers or null; got {value!r}")
    return float(value)


def _line(case: Comparison, answer: Answer) -> dict[str, Any]:
    values = {"chosen": answer.chosen, "rejected": answer.rejected, "probability": answer.probability}
    said = {name: None if math.isnan(value) else value for name, value in values.items()}
    why = {"reason": answer.reason} if answer.reason else {}
    return {"id": case.pair.id, "prompt": WAYS[case.other_way], **said, **why}
