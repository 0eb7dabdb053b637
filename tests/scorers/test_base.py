"""What every scorer shares, tested through a small real scorer: brightness left against brightness right."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from spatial_core.language.scene_graph import Entity, Relation, SceneGraph
from spatial_core.scorers.base import (
    NO_RELATIONS_NOTE,
    RelationReport,
    SpatialScorer,
    SpatialScores,
    share_satisfied,
)


def read(prompt: str) -> SceneGraph:
    """Read "A left of B" / "A right of B"; anything else has no relations."""
    words = prompt.split(" ")
    if len(words) != 4 or words[1] not in ("left", "right"):
        return SceneGraph(prompt)
    end = len(prompt)
    entities = (Entity(0, words[0], (0, len(words[0]))), Entity(1, words[3], (end - len(words[3]), end)))
    return SceneGraph(prompt, entities, (Relation(f"{words[1]}_of", 0, (1,), (0, end)),))


class BrighterSide(SpatialScorer):
    """Judges "A left of B" by whether the left half of the picture is the brighter one."""

    def __init__(self, **options) -> None:
        super().__init__(parser=read, **options)
        self.std = 0.1
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.seen: list[list[str]] = []

    def _score(self, images, graphs, *, explain):
        self.seen.append([graph.text for graph in graphs])
        mean, reports = [], []
        for image, graph in zip(images, graphs, strict=True):
            half = image.shape[-1] // 2
            margin = float(image[..., :half].mean() - image[..., half:].mean())
            report = []
            for relation in graph.relations:
                signed = margin if relation.relation == "left_of" else -margin
                verdict = "true" if signed > 0 else "false"
                score = 0.5 + signed / 2
                report.append(
                    RelationReport(
                        relation.relation, graph.words(relation), relation.span, verdict, score, signed
                    )
                )
            mean.append(sum(r.margin for r in report))
            reports.append(report)
        satisfied = torch.tensor([share_satisfied(report) for report in reports])
        means = torch.tensor(mean)
        return SpatialScores(means, torch.full_like(means, self.std), satisfied, reports if explain else None)

    def save_pretrained(self, save_directory) -> None:
        raise NotImplementedError


class AlwaysScores(BrighterSide):
    """A scorer that, like a reward model, has a mean for prompts without relations too."""

    needs_relations = False


def picture(left: float, right: float, size: tuple[int, int] = (4, 6)) -> torch.Tensor:
    image = torch.full((3, *size), left)
    image[..., size[1] // 2 :] = right
    return image


@pytest.fixture
def scorer() -> BrighterSide:
    return BrighterSide()


def test_one_prompt_serves_all_images(scorer):
    scores = scorer.score([picture(1.0, 0.0), picture(0.0, 1.0), picture(0.5, 0.25, (8, 2))], "A left of B")
    assert len(scores) == 3
    assert scores.mean.dtype == scores.std.dtype == scores.satisfied.dtype == torch.float32
    assert scores.mean.tolist() == pytest.approx([1.0, -1.0, 0.25])
    assert scores.satisfied.tolist() == [1.0, 0.0, 1.0]
    assert scores.relations is None
    assert scores.notes == ("", "", "")


def test_one_prompt_an_image_equals_single_calls(scorer):
    images = [picture(1.0, 0.0), picture(0.2, 0.9, (2, 10)), picture(0.5, 0.4)]
    prompts = ["A left of B", "A right of B", "nothing here"]
    together = scorer.score(images, prompts, explain=True)
    for place, (image, prompt) in enumerate(zip(images, prompts, strict=True)):
        alone = scorer.score(image, prompt, explain=True)
        assert torch.allclose(together.mean[place], alone.mean[0], equal_nan=True)
        assert torch.allclose(together.satisfied[place], alone.satisfied[0], equal_nan=True)
        assert together.relations[place] == alone.relations[0]
        assert together.notes[place] == alone.notes[0]


def test_order_does_not_matter(scorer):
    images, prompts = [picture(1.0, 0.0), picture(0.0, 0.5)], ["A left of B", "A right of B"]
    forward, backward = scorer.score(images, prompts), scorer.score(images[::-1], prompts[::-1])
    assert torch.equal(forward.mean, backward.mean.flip(0))


def test_graphs_are_taken_as_they_are(scorer):
    graph = SceneGraph("ignored", read("A left of B").entities, read("A left of B").relations)
    assert scorer.score(picture(1.0, 0.0), graph).mean.tolist() == [1.0]
    assert scorer.seen == [["ignored"]]


def test_paths_and_pil_are_taken(scorer, tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray((picture(1.0, 0.0).permute(1, 2, 0).numpy() * 255).astype(np.uint8)).save(path)
    assert scorer.score([path, str(path), Image.open(path)], "A left of B").mean.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("images", [[], torch.zeros(0, 3, 8, 8)])
@pytest.mark.parametrize("prompts", ["A left of B", []])
def test_an_empty_batch_gives_empty_scores(scorer, images, prompts):
    scores = scorer.score(images, prompts, explain=True)
    assert scores.mean.shape == scores.std.shape == scores.satisfied.shape == (0,)
    assert scores.relations == [] and scores.notes == ()
    assert scorer.rank(images, "A left of B").order.shape == (0,)
    assert scorer.seen == []


def test_counts_that_do_not_fit_are_refused(scorer):
    with pytest.raises(ValueError, match=r"one prompt or one per image \(4\); got 3 prompts"):
        scorer.score([picture(1.0, 0.0)] * 4, ["A left of B"] * 3)
    with pytest.raises(ValueError, match=r"\(1\); got 0 prompts"):
        scorer.score(picture(1.0, 0.0), [])
    with pytest.raises(ValueError, match="got NoneType"):
        scorer.score(picture(1.0, 0.0), [None])
    with pytest.raises(ValueError, match="absent.png"):
        scorer.score(["absent.png"], "A left of B")
    with pytest.raises(ValueError, match="NaN"):
        scorer.score(picture(math.nan, 0.0), "A left of B")


def test_a_prompt_without_space_gets_no_verdict(scorer):
    scores = scorer.score([picture(1.0, 0.0)] * 2, ["a lovely cup", "A left of B"], explain=True)
    assert math.isnan(scores.mean[0]) and math.isnan(scores.satisfied[0])
    assert scores.relations[0] == [] and scores.notes == (NO_RELATIONS_NOTE, "")
    assert scores.satisfied[1] == 1.0 and len(scores.relations[1]) == 1
    assert scorer.seen == [["A left of B"]]
    assert scorer.explain(picture(1.0, 0.0), "a lovely cup") == []
    assert np.isnan(scorer.rank([picture(1.0, 0.0)] * 2, "a lovely cup").p_best).all()
    assert math.isnan(scorer.compare(picture(1.0, 0.0), picture(1.0, 0.0), "a lovely cup"))


def test_a_scorer_may_have_a_mean_without_relations():
    scorer = AlwaysScores()
    scores = scorer.score([picture(1.0, 0.0)] * 2, ["a lovely cup", "A left of B"], explain=True)
    assert scores.mean.tolist() == [0.0, 1.0]
    assert math.isnan(scores.satisfied[0]) and scores.satisfied[1] == 1.0
    assert scores.notes == (NO_RELATIONS_NOTE, "")
    assert scorer.seen == [["a lovely cup", "A left of B"]]


def test_a_repeated_prompt_is_read_once():
    calls: list[str] = []

    def count(prompt: str) -> SceneGraph:
        calls.append(prompt)
        return read(prompt)

    scorer = BrighterSide()
    scorer._parser = count
    scorer.score([picture(1.0, 0.0)] * 5, ["A left of B"] * 4 + ["A right of B"])
    assert calls == ["A left of B", "A right of B"]


def test_rank_and_compare_agree(scorer):
    images = [picture(0.0, 1.0), picture(1.0, 0.0), picture(0.96, 0.0)]
    ranking = scorer.rank(images, "A left of B")
    assert ranking.order.tolist() == [1, 2, 0]
    assert ranking.ties == ((1, 2),)
    pair = scorer.rank(images[1:], "A left of B")
    assert scorer.compare(images[1], images[2], "A left of B") == pytest.approx(pair.p_best[0], abs=1e-6)
    assert scorer.compare(images[1], images[2], "A left of B") + scorer.compare(
        images[2], images[1], "A left of B"
    ) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="3 images"):
        scorer.compare(torch.stack(images[1:]), images[0], "A left of B")


def test_explain_gives_the_words(scorer):
    (report,) = scorer.explain(picture(1.0, 0.5), "A right of B")
    assert report.text == "A right of B" and report.verdict == "false" and report.span == (0, 12)
    with pytest.raises(ValueError, match="one image; got 2"):
        scorer.explain([picture(1.0, 0.5)] * 2, "A right of B")


def test_device_dtype_and_no_gradients(scorer):
    assert scorer.device == torch.device("cpu") and scorer.dtype == torch.float32
    assert scorer.to(torch.bfloat16).dtype == torch.bfloat16
    assert not scorer.score(picture(1.0, 0.0).requires_grad_(), "A left of B").mean.requires_grad
    assert torch.equal(
        scorer(picture(1.0, 0.0), "A left of B").mean, scorer.score(picture(1.0, 0.0), "A left of B").mean
    )


def test_share_satisfied():
    reports = [
        RelationReport("on", "on", (0, 2), verdict, 0.5, 0.0) for verdict in ("true", "false", "ambiguous")
    ]
    assert share_satisfied(reports) == pytest.approx(1 / 3)
    assert math.isnan(share_satisfied([]))


def test_from_pretrained_refuses_what_it_cannot_load(tmp_path):
    with pytest.raises(ValueError, match="scorer must be 'auto' or one of"):
        SpatialScorer.from_pretrained(tmp_path, scorer="best")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="neither spatial_score.safetensors nor config.json"):
        SpatialScorer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="absent"):
        SpatialScorer.from_pretrained(tmp_path / "absent")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="type 'bert'"):
        SpatialScorer.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is not valid JSON"):
        SpatialScorer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"spatial_score.safetensors": "x", "config.json": "{}"}, "reward"),
        ({"config.json": '{"model_type": "qwen2_5_vl"}'}, "vqa"),
        ({"config.json": '{"model_type": "qwen3_vl"}'}, "vqa"),
        ({"config.json": '{"model_type": "owlv2"}'}, "geometric"),
        ({"config.json": '{"model_type": "grounding-dino"}'}, "geometric"),
    ],
)
def test_auto_looks_at_the_files(files, kind, tmp_path, monkeypatch):
    import spatial_core.scorers.base as base

    loaded: list[tuple[object, dict[str, object]]] = []

    class Loaded(BrighterSide):
        @classmethod
        def from_pretrained(cls, id_or_path, **options):
            loaded.append((id_or_path, options))
            return cls()

    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setitem(base._SCORERS, kind, (__name__, "_loaded"))
    monkeypatch.setattr(sys.modules[__name__], "_loaded", Loaded, raising=False)
    scorer = SpatialScorer.from_pretrained(tmp_path, device="cpu", detector="boxes")
    assert isinstance(scorer, Loaded)
    assert loaded == [(tmp_path, {"device": "cpu", "detector": "boxes"})]


def test_importing_the_package_imports_no_torch():
    script = (
        "import sys, spatial_core, spatial_core.scorers, spatial_core.language.scene_graph\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
        "import spatial_core.selection\n"
        "assert 'torch' not in sys.modules\n"
        "assert 'SpatialScorer' in dir(spatial_core)\n"
        "assert spatial_core.SpatialScorer is spatial_core.scorers.SpatialScorer\n"
        "try:\n    spatial_core.nothing\n"
        "except AttributeError as error:\n    assert 'nothing' in str(error)\n"
        "else:\n    raise SystemExit('an unknown name must raise AttributeError')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
