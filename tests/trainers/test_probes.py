"""The probes find a shortcut that is planted, and none where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from spatial_core import cli
from spatial_core.statistics import wilson_interval
from spatial_trainers.pairs.data import read_manifest
from spatial_trainers.pairs.probes import ProbeResult, TfIdf, image_probe, probe_pairs, text_probe

THINGS = ("mug", "ball", "book", "vase", "lamp", "plate")


def sentences(rng: np.random.Generator, count: int, *, planted: float) -> list[tuple[str, str]]:
    """Pairs of a sentence and its mirror image; a share of the chosen ones says "clearly"."""
    made = []
    for _ in range(count):
        a, b = rng.choice(THINGS, 2, replace=False)
        sides = rng.permutation(["left", "right"])
        texts = [f"The {a} is to the {side} of the {b}." for side in sides]
        made.append((texts[0].replace("is", "is clearly") if rng.random() < planted else texts[0], texts[1]))
    return made


def pictures(rng: np.random.Generator, count: int, *, planted: float) -> np.ndarray:
    """uint8 [count, 2, 32, 32, 3] noise with two blobs; chosen ones are brighter by a few levels."""
    made = rng.integers(60, 180, (count, 2, 32, 32, 3))
    for row in range(count):
        x, y = rng.integers(0, 24, 2)
        made[row, :, y : y + 8, x : x + 8, 0] += 60
    made[:, 0] += (rng.random(count) < planted)[:, None, None, None].astype(int) * 8
    return made.astype(np.uint8)


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    def write(train: int, test: int, *, planted: float, turned: bool = False) -> Path:
        rng = np.random.default_rng(0)
        count = train + test
        np.save(tmp_path / "stack.npy", pictures(rng, count, planted=planted).reshape(-1, 32, 32, 3))
        lines = []
        for row, texts in enumerate(sentences(rng, count, planted=planted)):
            here = int(turned and row >= train)
            record = {
                "id": str(row),
                "prompt": texts[here],
                "prompt_rejected": texts[1 - here],
                "image_chosen": f"stack.npy#{2 * row + here}",
                "image_rejected": f"stack.npy#{2 * row + 1 - here}",
                "split": "train" if row < train else "test",
            }
            lines.append(json.dumps(record) + "\n")
        path = tmp_path / "manifest.jsonl"
        path.write_text("".join(lines))
        return path

    return write


def test_text_probe_finds_a_planted_word_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    found = text_probe(sentences(rng, 500, planted=0.8), sentences(rng, 300, planted=0.8))
    # What lacks the word is a coin's toss.
    assert found.total == 300 and found.trained_on == 500
    assert found.interval[0] > 0.75 and not found.passes
    low, high = text_probe(sentences(rng, 500, planted=0.0), sentences(rng, 300, planted=0.0)).interval
    assert low < 0.5 < high


def test_image_probe_finds_a_planted_brightness_and_nothing_else() -> None:
    def tensor(count: int, planted: float) -> torch.Tensor:
        return torch.from_numpy(pictures(rng, count, planted=planted)).permute(0, 1, 4, 2, 3)

    rng = np.random.default_rng(1)
    found = image_probe(tensor(400, 1.0), tensor(200, 1.0))
    assert found.interval[0] > 0.9 and not found.passes
    low, high = image_probe(tensor(400, 0.0), tensor(200, 0.0)).interval
    assert low < 0.5 < high


def test_the_same_seed_gives_the_same_result() -> None:
    rng = np.random.default_rng(2)
    train, test = sentences(rng, 100, planted=0.0), sentences(rng, 100, planted=0.0)
    assert text_probe(train, test, seed=4) == text_probe(train, test, seed=4)


def test_the_bar_is_on_the_upper_end_of_the_interval() -> None:
    assert wilson_interval(2_058, 4_000)[1] < 0.53 < wilson_interval(2_060, 4_000)[1]
    assert ProbeResult("text", 2_058, 4_000, 20_000).passes
    assert not ProbeResult("text", 2_060, 4_000, 20_000).passes
    assert not ProbeResult("text", 50, 100, 20_000).passes


def test_tf_idf_is_that_of_scikit_learn() -> None:
    sklearn = pytest.importorskip("sklearn.feature_extraction.text")
    texts = [text for pair in sentences(np.random.default_rng(3), 40, planted=0.5) for text in pair]
    theirs = sklearn.TfidfVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"[^\W_]+|[^\w\s]")
    expected = theirs.fit_transform(texts).toarray()
    ours = TfIdf(texts)
    assert len(ours) == expected.shape[1]
    for text, row in zip(texts, expected, strict=True):
        index, weights = ours(text)
        dense = np.zeros(len(ours))
        dense[index.numpy()] = weights.numpy()
        np.testing.assert_allclose(dense, row, atol=1e-6)
    assert ours("nothing known")[0].shape == (0,)


def test_command_fails_where_a_probe_succeeds(
    write_manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_manifest(300, 100, planted=1.0)
    assert cli.main(["probe-pairs", str(manifest), "--size", "32"]) == 1
    text, image = capsys.readouterr().out.splitlines()
    for line, probe in ((text, "text "), (image, "image")):
        assert line.startswith(probe) and "on 100 pairs, trained on 300" in line and "FAILS" in line
    assert cli.main(["probe-pairs", str(manifest), "--size", "32", "--test", "50", "--json"]) == 1
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["probe"] for result in printed] == ["text", "image"]
    assert all(result["total"] == 50 and result["low"] > 0.53 for result in printed)


def test_command_passes_where_no_probe_succeeds(
    write_manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    # What was learnt is wrong of the held-out pairs: surer than a coin, which needs thousands of pairs.
    manifest = write_manifest(300, 60, planted=1.0, turned=True)
    assert cli.main(["probe-pairs", str(manifest), "--size", "32"]) == 0
    assert capsys.readouterr().out.count("passes") == 2


def test_command_renders_the_scenes_of_a_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"data.scenes.cache='{tmp_path.as_posix()}'", "data.scenes.train=6", "data.scenes.test=3"]
    overrides = [word for setting in words for word in ("--set", setting)]
    assert cli.main(["probe-pairs", "smoke", "--size", "32", *overrides]) == 1
    # Three of the split "test", and the recipe's eight of "validation".
    assert capsys.readouterr().out.count("on 11 pairs, trained on 6") == 2


def test_what_was_not_learned_from_is_judged_too(write_manifest: Callable[..., Path]) -> None:
    pairs = read_manifest(write_manifest(30, 10, planted=0.0))
    for most, total in ((100, 20), (15, 15)):
        for result in probe_pairs(pairs, train=20, test=most, size=32):
            assert (result.trained_on, result.total) == (20, total)


def test_bad_input_is_named(write_manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    pairs = read_manifest(write_manifest(4, 0, planted=0.0))
    with pytest.raises(ValueError, match="'train' and 'test'; got 4 and 0"):
        probe_pairs(pairs)
    with pytest.raises(ValueError, match="size >= 32"):
        probe_pairs(pairs, size=8)
    with pytest.raises(ValueError, match="train and test must be >= 1"):
        probe_pairs(pairs, train=0)
    assert cli.main(["probe-pairs", "nowhere.jsonl"]) == 2
    assert "Cannot read the manifest nowhere.jsonl" in capsys.readouterr().err
