"""The `spatial` command as people and programs use it: output, exit codes, one line for every mistake."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from spatial_core import cli
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import RelationReport, SpatialScorer, SpatialScores, share_satisfied

PROMPT = "a red ball to the left of a blue ball, and a green ball above the blue ball"
COLORS = {"red": (220, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 220)}
HERE = Path(__file__).parent
VERBS = ("score", "rank", "explain", "parse", "perturb", "scenes", "lora", "doctor")
ADDED_VERBS = (
    "train-reward",
    "pretrain-starter",
    "train-localizer",
    "train-lora",
    "train-rl",
    "serve-reward",
    "plot-run",
    "train-starter",
    "measure-starter",
    "measure-localizer",
    "build-pairs",
    "export-pairs",
    "import-pairs",
    "probe-pairs",
    "probe-kinds",
    "bench-reward",
    "bench-generation",
    "bench-search",
    "bench-compare",
    "bench-speed",
    "review",
)
ENTITY_KEYS = {"id", "name", "count", "attributes", "span"}
RELATION_KEYS = {"relation", "subject", "objects", "text", "span"}


class ColorScorer(SpatialScorer):
    """Judges left, right, above and below by where the pixels of each named colour lie. It really looks."""

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        reports = [self._judge(image, graph) for image, graph in zip(images, graphs, strict=True)]
        return SpatialScores(
            mean=torch.tensor([sum(r.margin for r in row) / len(row) for row in reports]),
            std=torch.full((len(images),), 0.5),
            satisfied=torch.tensor([share_satisfied(row) for row in reports]),
            relations=reports,
        )

    def _judge(self, image: Tensor, graph: SceneGraph) -> list[RelationReport]:
        reports = []
        for relation in graph.relations:
            boxes = [self._box(image, graph, i) for i in (relation.subject, *relation.objects)]
            (x0, y0), (x1, y1) = (((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes)
            margin = {"left_of": x1 - x0, "right_of": x0 - x1, "above": y1 - y0, "below": y0 - y1}[
                relation.relation
            ]
            margin /= 16
            verdict = "ambiguous" if abs(margin) < 0.25 else "true" if margin > 0 else "false"
            score = torch.sigmoid(torch.tensor(margin)).item()
            reports.append(
                RelationReport(
                    relation.relation,
                    graph.words(relation),
                    relation.span,
                    verdict,
                    score,
                    margin,
                    tuple(boxes),
                )
            )
        return reports

    def _box(self, image: Tensor, graph: SceneGraph, entity: Any) -> tuple[float, float, float, float]:
        (name,) = graph.entities[entity].attributes
        color = torch.tensor(COLORS[name])[:, None, None] / 255
        rows, columns = ((image - color).abs().amax(0) < 0.02).nonzero(as_tuple=True)
        return tuple(float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))  # type: ignore[return-value]


def paint(path: Path, **centers: tuple[int, int]) -> str:
    image = Image.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(image)
    for name, (x, y) in centers.items():
        draw.ellipse((x - 7, y - 7, x + 7, y + 7), COLORS[name])
    image.save(path)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures: both relations true, one true, none true; plus a file that is no picture."""
    folder = tmp_path / "candidates"
    folder.mkdir()
    paint(folder / "a_none.png", red=(50, 40), blue=(20, 20), green=(20, 50))
    paint(folder / "b_both.png", red=(12, 50), blue=(50, 50), green=(50, 12))
    paint(folder / "c_one.png", red=(12, 20), blue=(50, 20), green=(50, 50))
    (folder / "notes.txt").write_text("no picture")
    return folder


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Spatial = Callable[..., Done]


@pytest.fixture
def spatial(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Spatial:
    """Run the command in this process, with ColorScorer as the model that is loaded."""
    monkeypatch.setattr(SpatialScorer, "from_pretrained", classmethod(lambda cls, *_, **__: ColorScorer()))

    def run(*words: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main(words)
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return run


def command(*words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    words = (sys.executable, "-m", "spatial_core.cli", *words)
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, cwd=HERE, **kwargs)


def assert_one_line(done: Done | subprocess.CompletedProcess[str], *parts: str) -> None:
    """The caller's mistake: exit code 2, one line on standard error, no traceback."""
    code, err = (done.code, done.err) if isinstance(done, Done) else (done.returncode, done.stderr)
    assert code == 2, err
    assert err.startswith("spatial: error: ") and err.count("\n") == 1, err
    for part in parts:
        assert part in err


def test_help_names_every_verb_at_once() -> None:
    best = 9.0
    for _ in range(3):
        start = time.perf_counter()
        done = command("--help")
        best = min(best, time.perf_counter() - start)
    assert done.returncode == 0
    for verb in (*VERBS, *ADDED_VERBS):
        assert re.search(rf"^ +{verb}\s", done.stdout, re.MULTILINE), verb
    # 0.1 s on an idle machine; what makes it slow is an import of torch, which takes seconds.
    assert best < 1.0


@pytest.mark.parametrize("verb", [*VERBS, *ADDED_VERBS])
def test_help_of_each_verb(spatial: Spatial, verb: str) -> None:
    done = spatial(verb, "--help")
    assert done.code == 0 and f"usage: spatial {verb}" in done.out


def test_version(spatial: Spatial) -> None:
    assert spatial("--version").out == "spatial-diffusion 0.1.0\n"


@pytest.mark.parametrize("words", [(), ("paint",), ("score",), ("rank", "x", "--prompt", "p", "--top", "0")])
def test_arguments_that_do_not_fit(spatial: Spatial, words: tuple[str, ...]) -> None:
    done = spatial(*words)
    assert done.code == 2 and "usage: spatial" in done.err and "Traceback" not in done.err


# parse


def test_parse_prints_the_stable_form(spatial: Spatial) -> None:
    done = spatial("parse", "--json", PROMPT)
    assert done.code == 0 and len(done.lines) == 1
    graph = json.loads(done.out)
    assert list(graph) == ["prompt", "entities", "relations"] and graph["prompt"] == PROMPT
    assert all(set(entity) >= ENTITY_KEYS for entity in graph["entities"])
    assert all(set(relation) >= RELATION_KEYS for relation in graph["relations"])
    names = [" ".join([*e["attributes"], e["name"]]) for e in graph["entities"]]
    stated = {(r["relation"], names[r["subject"]], names[r["objects"][0]]) for r in graph["relations"]}
    assert stated == {("left_of", "red ball", "blue ball"), ("above", "green ball", "blue ball")}
    for relation in graph["relations"]:
        assert PROMPT[slice(*relation["span"])] == relation["text"]
    assert SceneGraph.from_dict(graph).to_dict() == graph


def test_parse_reads_one_prompt_a_line(spatial: Spatial) -> None:
    text = b"a cup on a table\r\n\n\xff\x00\x07 a dog behind a cat <|im_end|>\nlast without newline"
    done = spatial("parse", "--json", "-", stdin=text)
    graphs = [json.loads(line) for line in done.lines]
    assert [bool(g["relations"]) for g in graphs] == [True, False, True, False]
    assert graphs[1]["prompt"] == "" and graphs[3]["prompt"] == "last without newline"


def test_parse_without_prompts_reads_standard_input(spatial: Spatial) -> None:
    assert json.loads(spatial("parse", "--json", stdin=b"a cup on a table").out)["relations"]


def test_parse_mixes_prompts_and_standard_input(spatial: Spatial) -> None:
    done = spatial("parse", "--json", "first", "-", "last", stdin=b"one\ntwo\n")
    assert [json.loads(line)["prompt"] for line in done.lines] == ["first", "one", "two", "last"]


def test_parse_for_people(spatial: Spatial) -> None:
    done = spatial("parse", PROMPT, "a sunny day")
    assert "the red ball is to the left of the blue ball" in done.out
    assert "no spatial relation" in done.out


# score, explain


def test_score_prints_the_stable_form(spatial: Spatial, folder: Path) -> None:
    images = [str(folder / name) for name in ("a_none.png", "b_both.png", "c_one.png")]
    done = spatial("score", *images, "--prompt", PROMPT, "--json")
    assert done.code == 0
    rows = [json.loads(line) for line in done.lines]
    assert [row["image"] for row in rows] == images
    for row in rows:
        assert list(row) == ["image", "prompt", "mean", "std", "satisfied", "p_best", "relations"]
        assert all(
            list(relation) == ["text", "relation", "score", "verdict"] for relation in row["relations"]
        )
    assert [row["satisfied"] for row in rows] == [0.0, 1.0, 0.5]
    assert [[r["verdict"] for r in row["relations"]] for row in rows][1:] == [
        ["true", "true"],
        ["true", "false"],
    ]
    assert sum(row["p_best"] for row in rows) == pytest.approx(1, abs=1e-5)
    assert max(rows, key=lambda row: row["p_best"])["image"] == images[1]


def test_a_batch_gives_what_single_images_give(spatial: Spatial, folder: Path) -> None:
    images = [str(folder / name) for name in ("a_none.png", "b_both.png", "c_one.png")]
    whole = spatial("score", *images, "--prompt", PROMPT, "--json").out
    assert spatial("score", *images, "--prompt", PROMPT, "--json", "--batch-size", "2").out == whole


def test_one_prompt_for_each_image_compares_nothing(spatial: Spatial, folder: Path) -> None:
    image, other = str(folder / "b_both.png"), "a red ball right of a blue ball"
    done = spatial("score", image, image, "--prompt", PROMPT, "--prompt", other, "--json")
    rows = [json.loads(line) for line in done.lines]
    assert [row["satisfied"] for row in rows] == [1.0, 0.0]
    assert [row["p_best"] for row in rows] == [None, None]


def test_a_prompt_without_space_gets_null_and_a_note(spatial: Spatial, folder: Path) -> None:
    image = str(folder / "b_both.png")
    row = json.loads(spatial("score", image, "--prompt", "a sunny day", "--json").out)
    assert (row["mean"], row["std"], row["satisfied"], row["p_best"], row["relations"]) == (
        None,
        None,
        None,
        None,
        [],
    )
    shown = spatial("score", image, "--prompt", "a sunny day")
    assert shown.code == 0 and "no relation" in shown.out and "note: " in shown.out


def test_score_for_people(spatial: Spatial, folder: Path) -> None:
    done = spatial("score", str(folder / "c_one.png"), "--prompt", PROMPT)
    assert "1 of 2 relations" in done.out


def test_explain_quotes_the_words(spatial: Spatial, folder: Path) -> None:
    done = spatial("explain", str(folder / "c_one.png"), "--prompt", PROMPT)
    assert done.code == 0 and "1 of 2 relations" in done.out
    verdicts = {line.split()[0] for line in done.lines if '"' in line}
    assert verdicts == {"true", "false"}
    row = json.loads(spatial("explain", str(folder / "c_one.png"), "--prompt", PROMPT, "--json").out)
    assert row["satisfied"] == 0.5


def test_a_prompt_of_ten_thousand_words(spatial: Spatial, folder: Path) -> None:
    prompt = PROMPT + ", seen on a calm day" * 2000
    done = spatial("rank", str(folder), "--prompt", prompt, "--sheet", str(folder.parent / "s.png"))
    assert done.code == 0 and "b_both.png" in done.lines[2]


# rank


def test_rank_orders_and_writes(spatial: Spatial, folder: Path, tmp_path: Path) -> None:
    sheet, numbers = tmp_path / "sheet.png", tmp_path / "ranking.json"
    done = spatial(
        "rank", str(folder), "--prompt", PROMPT, "--top", "2", "--sheet", str(sheet), "--json", str(numbers)
    )
    assert done.code == 0, done.err
    assert [Path(line.split()[1]).name for line in done.lines[2:]] == ["b_both.png", "c_one.png"]
    ranking = json.loads(numbers.read_text())
    assert (ranking["prompt"], ranking["num_images"]) == (PROMPT, 3)
    assert [(row["rank"], Path(row["image"]).name) for row in ranking["images"]] == [
        (1, "b_both.png"),
        (2, "c_one.png"),
    ]
    assert [row["satisfied"] for row in ranking["images"]] == [1.0, 0.5]
    with Image.open(sheet) as image:
        assert image.width > 500 and image.height > 300


def test_rank_prints_json_instead_of_the_table(spatial: Spatial, folder: Path) -> None:
    done = spatial("rank", str(folder), "--prompt", PROMPT, "--json", "-")
    assert [row["rank"] for row in json.loads(done.out)["images"]] == [1, 2, 3]


def test_equal_images_are_too_close_to_call(spatial: Spatial, tmp_path: Path) -> None:
    for name in ("a", "b"):
        paint(tmp_path / f"{name}.png", red=(12, 50), blue=(50, 50), green=(50, 12))
    done = spatial("rank", str(tmp_path), "--prompt", PROMPT)
    assert done.out.count("ranks 1 to 2 are too close to call") == 2
    images = json.loads(spatial("rank", str(tmp_path), "--prompt", PROMPT, "--json", "-").out)["images"]
    assert [row["too_close_to_call"] for row in images] == [[1, 2], [1, 2]]


# perturb, scenes, doctor


def test_perturb_is_decided_by_its_seed(spatial: Spatial) -> None:
    first = spatial("perturb", PROMPT, "--num-edits", "1", "--seed", "3", "--json")
    assert first.code == 0 and first.lines
    assert spatial("perturb", PROMPT, "--num-edits", "1", "--seed", "3", "--json").out == first.out
    for line in first.lines:
        found = json.loads(line)
        assert found["prompt"] != PROMPT and len(found["edits"]) == 1
        assert SceneGraph.from_dict(found["graph"]).text == found["prompt"]
    assert found["prompt"] in spatial("perturb", PROMPT, "--num-edits", "1", "--seed", "3").out


def test_scenes_are_decided_by_their_seed(spatial: Spatial, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        words = ("--count", "3", "--seed", "5", "--size", "64", "--num-relations", "2")
        assert spatial("scenes", "render", "--out", str(folder), *words).code == 0
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*.*")) for folder in folders]
    assert files[0] == files[1] and len(files[0]) == 4
    for path in files[0]:
        assert (folders[0] / path).read_bytes() == (folders[1] / path).read_bytes()
    for line in (folders[0] / "scenes.jsonl").read_text().splitlines():
        record = json.loads(line)
        with Image.open(folders[0] / record["image"]) as image:
            assert image.size == (64, 64)
        graph = SceneGraph.from_dict(record["graph"])
        assert len(graph.relations) == 2 and graph.text == record["prompt"]
        named = [thing for thing in record["objects"] if thing["entity"] is not None]
        assert named and all(thing["box"][2] > thing["box"][0] for thing in named)


def test_scene_pairs_are_a_manifest_that_can_be_trained_on(spatial: Spatial, tmp_path: Path) -> None:
    from spatial_trainers.pairs.data import read_manifest

    words = ("--count", "2", "--pairs", "--size", "64", "--num-relations", "2", "--split", "test")
    assert spatial("scenes", "render", "--out", str(tmp_path), *words).code == 0
    pairs = read_manifest(tmp_path / "pairs.jsonl").splits["test"]
    assert len(pairs) == 2
    assert all(pair.graph.text != pair.graph_rejected.text and pair.edits for pair in pairs)


def test_doctor_knows_the_packages_and_devices(spatial: Spatial) -> None:
    report = json.loads(spatial("doctor", "--json").out)
    # Some builds say their variant (+cpu, +cu124) in the module alone.
    version = torch.__version__.split("+")[0]
    assert report["versions"]["torch"].split("+")[0] == version
    assert report["devices"][0]["name"] == "cpu" and report["devices"][0]["memory_bytes"] != 0
    assert report["added_verbs"] == sorted(ADDED_VERBS)
    assert f"torch              {version}" in spatial("doctor").out


# Mistakes


def test_mistakes_are_one_line(spatial: Spatial, folder: Path, tmp_path: Path) -> None:
    image = str(folder / "b_both.png")
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(image).read_bytes()[:60])
    empty = tmp_path / "empty"
    empty.mkdir()
    score = ("score", "--prompt", PROMPT)
    assert_one_line(spatial(*score, str(broken)), str(broken))
    assert_one_line(spatial(*score, str(folder / "notes.txt")), "notes.txt")
    assert_one_line(spatial(*score, str(tmp_path / "missing.png")), "missing.png", "no such file")
    assert_one_line(spatial(*score, image, image, image, "--prompt", PROMPT), "(3)", "got 2")
    rank = ("rank", "--prompt", PROMPT)
    assert_one_line(spatial(*rank, str(tmp_path / "nowhere")), "nowhere", "Name a folder")
    assert_one_line(spatial(*rank, image), "a file, not a folder")
    assert_one_line(spatial(*rank, str(empty)), "holds no image")
    assert_one_line(
        spatial(*rank, str(folder), "--sheet", str(tmp_path / "no" / "s.png")), "there is no folder"
    )
    assert_one_line(spatial(*rank, str(folder), "--sheet", str(tmp_path / "s.txt")), "must end in .png")
    assert_one_line(spatial(*rank, str(folder), "--json", str(tmp_path)), "it is a folder")
    assert_one_line(spatial("perturb", "a sunny day"), "no spatial relation")
    assert_one_line(spatial("score", image, "--prompt", PROMPT, "--device", "toaster"), "toaster")


def test_debug_shows_the_traceback(spatial: Spatial, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Name a folder"):
        spatial("--debug", "rank", str(tmp_path / "nowhere"), "--prompt", PROMPT)


def test_a_model_that_cannot_be_had_names_the_command_that_fetches_it(folder: Path, tmp_path: Path) -> None:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = command(
        "score", str(folder / "b_both.png"), "--prompt", PROMPT, "--model", "nobody/no-such-model", env=env
    )
    assert_one_line(done, "nobody/no-such-model", "hf download nobody/no-such-model")


def test_a_foreign_folder_is_no_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    done = command("score", str(folder / "b_both.png"), "--prompt", PROMPT, "--model", str(tmp_path))
    assert_one_line(done, "'bert'")


def test_interrupted(spatial: Spatial, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("spatial_core.commands.parse.run", interrupt)
    done = spatial("parse", "x")
    assert (done.code, done.err) == (130, "spatial: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and pipes")
def test_control_c_while_it_waits_for_prompts() -> None:
    words = [sys.executable, "-m", "spatial_core.cli", "parse", "--json", "-"]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background ignores interrupts, and its children would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write("a cup on a table\n")
        process.stdin.flush()
        # The answer comes while standard input is still open.
        assert json.loads(process.stdout.readline())["relations"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert process.stderr.read() == "spatial: interrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and pipes")
def test_a_reader_that_goes_away_is_no_error() -> None:
    words = [sys.executable, "-m", "spatial_core.cli", "parse", "--json", *["a cup on a table"] * 2000]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
def test_a_full_disk_leaves_the_old_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "scenes.jsonl"
    manifest.write_text("old\n")
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "from spatial_core.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = [
        "scenes",
        "render",
        "--out",
        str(tmp_path),
        "--count",
        "1",
        "--size",
        "32",
        "--num-relations",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert_one_line(done, "File too large")
    assert manifest.read_text() == "old\n"
