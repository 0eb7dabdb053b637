"""`spatial review` as it is typed."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_core import cli
from spatial_trainers.review.session import ReviewSession
from spatial_trainers.review.store import Store


def spatial(*words: str | Path) -> int:
    return cli.main([str(word) for word in words])


@pytest.fixture
def reviewed(manifest: Path, open_session: Callable[..., ReviewSession]) -> Path:
    """A manifest of which two people have judged everything, one of them always by the first picture."""
    session = open_session()
    for name in ("ann", "bob"):
        for question in session.questions(name, count=8):
            first = session._assignments[question.token].chosen_first
            shown = "1" if first or name == "bob" else "2"
            session.answer(question.token, shown, key=f"key-{question.token}", seconds=1.5)
    return manifest


def test_figures_and_export(reviewed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("review", reviewed, "--database", reviewed.with_name("answers.sqlite"))
    assert spatial(*words, "--figures", "--json") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["pairs"] == figures["compared"] == 8
    assert figures["reviewers"][0]["answers"]["chosen"] == 8 and figures["reviewers"][0]["seconds"] == 1.5
    assert spatial(*words, "--figures") == 0
    text = capsys.readouterr().out
    assert "Krippendorff's alpha" in text and "| ann, bob |" in text
    # Counting ann alone.
    assert spatial(*words, "--figures", "--without", "bob", "--votes", "1", "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert alone["decisions"]["chosen"] == 8 and alone["fleiss"] is None
    output = reviewed.with_name("reviewed.jsonl")
    before = reviewed.read_bytes()
    assert spatial(*words, "--export", "--output", output) == 0
    assert reviewed.read_bytes() == before and len(output.read_text().splitlines()) == 8
    assert f"{output}: " in capsys.readouterr().out
    assert spatial(*words, "--export") == 0 and reviewed.read_bytes() == output.read_bytes()


def test_the_number_of_votes_is_remembered(reviewed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(reviewed.with_name("answers.sqlite")).set_fact("votes_wanted", "3")
    spatial("review", reviewed, "--figures", "--json", "--database", reviewed.with_name("answers.sqlite"))
    assert json.loads(capsys.readouterr().out)["decisions"]["open"] == 8


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("missing.jsonl", "--figures"), "no manifest"),
        (("pairs.jsonl", "--figures"), "no answers yet"),
        (("pairs.jsonl", "--export"), "no answers yet"),
        (("pairs.jsonl", "--figures", "--database", "answers.sqlite", "--votes", "0"), "at least one vote"),
        (("pairs.jsonl", "--figures", "--database", "answers.sqlite", "--gold", "none.jsonl"), "none.jsonl"),
        (("pairs.jsonl", "--export", "--database", "answers.sqlite", "--output", "../x.jsonl"), "beside"),
    ],
)
def test_mistakes_are_one_line(
    manifest: Path,
    open_session: Callable[..., ReviewSession],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    open_session()
    monkeypatch.chdir(manifest.parent)
    assert spatial("review", *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_port_that_is_taken(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra 'review'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert spatial("review", manifest, "--port", str(taken.getsockname()[1])) == 2
    assert "Choose others: --host, --port" in capsys.readouterr().err


def test_without_gradio_it_says_how_to_get_it(
    manifest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatial_trainers.review.app.find_spec", lambda name: None)
    assert spatial("review", manifest) == 2
    assert "pip install 'spatial-diffusion[review]'" in capsys.readouterr().err
