"""Label Studio: tasks that show both prompts and both pictures, and the way back for what annotators said.

The folder holds tasks.json, config.xml (the labelling interface) and the pictures. Label Studio serves them
with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT set to the
folder that holds this one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from spatial_core.atomic_files import write_bytes, write_text
from spatial_trainers.dataset.exchange import PairFiles, pairs_of
from spatial_trainers.pairs.records import SIDES, Record
from spatial_trainers.review.answers import SHOWN_ANSWERS, to_answer
from spatial_trainers.review.decisions import decide

CONFIG = """<View>
  <Header value="Which picture shows this prompt? Left and right are the viewer's."/>
  <Text name="prompt" value="$prompt"/>
  <Text name="other" value="$other_prompt"/>
  <View style="display: flex; gap: 1em">
    <Image name="first" value="$first" zoom="true"/>
    <Image name="second" value="$second" zoom="true"/>
  </View>
  <Choices name="answer" toName="first" choice="single" required="true">
    <Choice value="1" hotkey="1"/>
    <Choice value="2" hotkey="2"/>
    <Choice value="both" hotkey="3"/>
    <Choice value="neither" hotkey="4"/>
    <Choice value="unsure" hotkey="5"/>
  </Choices>
</View>
"""


def export_label_studio(manifest: str | Path, folder: str | Path) -> int:
    """Write tasks.json, config.xml and images/ to `folder`; return the number of tasks.

    Which picture comes first follows from the pair's id, and no file name tells it.
    """
    folder = Path(folder)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    tasks: list[Record] = []
    for number, pair in enumerate(pairs_of(manifest)):
        record = pair.record
        order = SIDES if _chosen_first(record["id"]) else SIDES[::-1]
        names = [_name(pair, side, number, letter) for side, letter in zip(order, "ab", strict=True)]
        for side, name in zip(order, names, strict=True):
            write_bytes(folder / "images" / name, pair.pictures[side])
        urls = [f"/data/local-files/?d={folder.resolve().name}/images/{name}" for name in names]
        data = {
            "first": urls[0],
            "second": urls[1],
            "prompt": record["prompt"],
            "other_prompt": record["prompt_rejected"],
            "chosen_first": order == SIDES,
            "record": json.dumps(record),
        }
        tasks.append({"id": number + 1, "data": data})
    write_text(folder / "config.xml", CONFIG)
    write_text(folder / "tasks.json", json.dumps(tasks, indent=1) + "\n")
    return len(tasks)


def _chosen_first(pair: str) -> bool:
    return hashlib.sha256(f"label studio|{pair}".encode()).digest()[0] % 2 == 0


def _name(pair: PairFiles, side: str, number: int, letter: str) -> str:
    suffix = PurePosixPath(pair.record[f"image_{side}"]).suffix or ".png"
    return f"{number:08d}-{letter}{suffix}"


def read_label_studio(source: str | Path) -> Iterator[PairFiles]:
    """Yield the pairs of a tasks file, with what annotators said as their `review`.

    Args:
        source: JSON that Label Studio exported, beside the folder images/ of the tasks; or that folder's
            parent, for its tasks.json.

    Raises:
        ValueError: If the file, a task or a picture is unusable; names it.
    """
    path = Path(source, "tasks.json") if Path(source).is_dir() else Path(source)
    try:
        tasks = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not a tasks file of Label Studio: {error}.") from error
    if not isinstance(tasks, list):
        raise ValueError(f"{path} must be a list of tasks. Export from Label Studio as JSON.")
    for place, task in enumerate(tasks, start=1):
        try:
            data = task["data"]
            record = json.loads(data["record"])
            order = SIDES if data["chosen_first"] else SIDES[::-1]
            pictures = {
                side: _picture(path.parent, data[key])
                for side, key in zip(order, ("first", "second"), strict=True)
            }
            votes = [vote for a in task.get("annotations") or () if (vote := _vote(a, data["chosen_first"]))]
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise ValueError(f"{path}, task {place} is not one that was exported here: {error!r}.") from error
        if votes:
            record["review"] = _review(votes)
        yield PairFiles(record, pictures)


def _picture(folder: Path, url: str) -> bytes:
    name = PurePosixPath(url.partition("?d=")[2]).name
    return (folder / "images" / name).read_bytes()


def _vote(annotation: Record, chosen_first: bool) -> Record | None:
    if annotation.get("was_cancelled"):
        return None
    by = annotation.get("completed_by")
    shown = next(
        (r["value"]["choices"][0] for r in annotation.get("result", ()) if r.get("from_name") == "answer"),
        None,
    )
    if shown is None:
        return None
    if shown not in SHOWN_ANSWERS:
        raise ValueError(f"an answer must be one of {', '.join(SHOWN_ANSWERS)}; got {shown!r}")
    seconds: Any = annotation.get("lead_time")
    return {
        "annotator": str(by.get("email", by.get("id")) if isinstance(by, dict) else by),
        "answer": to_answer(shown, chosen_first=chosen_first),
        "seconds": round(seconds, 1) if isinstance(seconds, int | float) else None,
        "answered_at": annotation.get("created_at"),
    }


def _review(votes: list[Record]) -> Record:
    decision = decide([vote["answer"] for vote in votes], votes_wanted=1)
    verdicts = {"disputed": "disputed", "decided": "accepted" if decision.answer == "chosen" else "rejected"}
    return {
        "verdict": verdicts[decision.state],
        "answer": decision.answer,
        "votes": votes,
        "adjudication": None,
    }
