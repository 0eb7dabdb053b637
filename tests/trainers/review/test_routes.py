"""What the server answers, who gets an answer, and that no file leaves the data folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="needs the extra 'review'")
pytest.importorskip("httpx", reason="needs the extra 'review'")

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from spatial_trainers.review.access import COOKIE, Access, is_loopback
from spatial_trainers.review.routes import add_routes
from spatial_trainers.review.session import ReviewSession

Open = Callable[..., ReviewSession]
HERE = "http://127.0.0.1:7860"


@pytest.fixture
def session(open_session: Open) -> ReviewSession:
    """A review."""
    return open_session()


def wrapped(session: ReviewSession, token: str | None = None, *, address: str = HERE) -> TestClient:
    app = Starlette()
    add_routes(app, session)
    app.add_route("/gradio_api/{rest:path}", lambda request: PlainTextResponse("a file"))
    return TestClient(Access(app, token=token), base_url=address, follow_redirects=False)


@pytest.fixture
def client(session: ReviewSession) -> Iterator[TestClient]:
    """A browser on this machine."""
    with wrapped(session) as client:
        yield client


def ask(client: TestClient, **changes: Any) -> dict[str, Any]:
    body = {"annotator": "ann", "held": [], "count": 1} | changes
    return client.post("/review/questions", json=body).json()


def test_a_reviewer_asks_looks_answers_and_takes_back(client: TestClient) -> None:
    (question,) = ask(client)["questions"]
    for side in ("1", "2"):
        picture = client.get(f"/review/picture/{question['token']}/{side}")
        assert picture.status_code == 200 and picture.headers["content-type"] == "image/png"
        assert picture.content.startswith(b"\x89PNG") and "immutable" in picture.headers["cache-control"]
    body = {
        "annotator": "ann",
        "token": question["token"],
        "answer": "1",
        "key": "a-key-of-mine",
        "seconds": 2,
    }
    for _ in range(2):
        answered = client.post("/review/answer", json=body)
        assert answered.status_code == 200 and answered.json()["progress"]["answered"] == 1
    key = client.post("/review/last", json={"annotator": "ann"}).json()["key"]
    undone = client.post("/review/undo", json={"annotator": "ann", "key": key}).json()
    assert undone["question"] == question and undone["progress"]["answered"] == 0


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("questions", {"annotator": "ann"}, "lacks 'count'"),
        ("questions", {"annotator": "", "held": [], "count": 1}, "printable"),
        ("questions", {"annotator": 3, "held": [], "count": 1}, ""),
        ("questions", [], ""),
        (
            "answer",
            {"annotator": "ann", "token": "x", "answer": "1", "key": "12345678", "seconds": 1},
            "not one",
        ),
        ("answer", {"annotator": "ann", "token": "x"}, "lacks"),
        ("answer", {"annotator": "ann", "token": ["x"], "answer": "1", "key": "12345678", "seconds": 1}, ""),
        ("undo", {"annotator": "ann"}, "lacks 'key'"),
    ],
)
def test_bad_requests_are_told_and_change_nothing(
    client: TestClient, session: ReviewSession, name: str, body: Any, message: str
) -> None:
    reply = client.post(f"/review/{name}", json=body)
    assert reply.status_code == 400 and message in reply.json()["error"]
    assert session.verdicts() == []


def test_what_is_not_json_or_too_long(client: TestClient) -> None:
    assert client.post("/review/questions", content=b"{").status_code == 400
    assert client.post("/review/questions", content=b"[" * 50_000).status_code == 400
    assert "too long" in client.post("/review/questions", content=b" " * 200_000).json()["error"]


def test_an_answer_that_cannot_be_written_is_asked_for_again(
    client: TestClient, session: ReviewSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    (question,) = ask(client)["questions"]

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    body = {"annotator": "ann", "token": question["token"], "answer": "1", "key": "12345678", "seconds": 1}
    with monkeypatch.context() as patch:
        patch.setattr(session._store, "answer", full)
        reply = client.post("/review/answer", json=body)
        assert reply.status_code == 503 and "disk is full" in reply.json()["error"]
    assert client.post("/review/answer", json=body).json()["progress"]["answered"] == 1


@pytest.mark.parametrize(
    "path",
    [
        "/review/picture/{token}/3",
        "/review/picture/{token}/..%2f..%2fpairs.jsonl",
        "/review/picture/%2e%2e%2fpairs.jsonl/1",
        "/review/picture/../../etc/passwd",
        "/review/page/..%2fstore.py",
        "/review/page/review.css.bak",
    ],
)
def test_paths_lead_to_no_other_file(client: TestClient, path: str) -> None:
    (question,) = ask(client)["questions"]
    assert client.get(path.format(token=question["token"])).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["upload", "file=/etc/passwd", "file/etc/passwd", "proxy=http://127.0.0.1", "vibe-edit", "stream/1"],
)
def test_gradios_ways_to_files_and_code_are_closed(client: TestClient, path: str) -> None:
    assert client.get(f"/gradio_api/{path}").status_code == 404
    assert client.get("/gradio_api/info").text == "a file"


def test_a_picture_that_vanished_tells_no_path(
    client: TestClient, session: ReviewSession, manifest: Path
) -> None:
    (question,) = ask(client)["questions"]
    session._pictures.clear()
    for picture in (manifest.parent / "images").iterdir():
        picture.unlink()
    reply = client.get(f"/review/picture/{question['token']}/1")
    assert reply.status_code == 404 and reply.json() == {"error": "This picture cannot be shown."}


@pytest.mark.parametrize("name", ["review.js", "zoom.js"])
def test_the_page_is_served(client: TestClient, name: str) -> None:
    reply = client.get(f"/review/page/{name}")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/javascript")


# Who gets an answer


@pytest.mark.parametrize("address", [HERE, "http://localhost:7860", "http://[::1]:7860"])
def test_this_machine_needs_no_token(session: ReviewSession, address: str) -> None:
    assert len(ask(wrapped(session, address=address))["questions"]) == 1


@pytest.mark.parametrize("address", ["http://evil.example:7860", "http://192.168.0.5:7860", "http://[::]:1"])
def test_other_names_for_this_machine_are_refused(session: ReviewSession, address: str) -> None:
    """A page elsewhere whose name was pointed at 127.0.0.1 must not read the review."""
    assert wrapped(session, address=address).get("/review/page/review.js").status_code == 403


def test_other_pages_cannot_send_answers(client: TestClient) -> None:
    body = {"annotator": "ann", "held": [], "count": 1}
    for origin in ("http://evil.example", "http://127.0.0.1:9999", "null"):
        reply = client.post("/review/questions", json=body, headers={"origin": origin})
        assert reply.status_code == 403
    assert client.post("/review/questions", json=body, headers={"origin": HERE}).status_code == 200


def test_elsewhere_needs_the_token_once(session: ReviewSession) -> None:
    client = wrapped(session, "the-token", address="http://192.168.0.5:7860")
    for path in ("/", "/?token=wrong", "/?token=", "/review/page/review.js", "/gradio_api/info"):
        assert client.get(path).status_code == 401
    assert client.post("/review/questions", json={}).status_code == 401
    client.cookies.set(COOKIE, "wrong")
    assert client.get("/review/page/review.js").status_code == 401
    client.cookies.clear()
    entered = client.get("/review/page/review.js?token=the-token&annotator=ann")
    assert entered.status_code == 303
    assert entered.headers["location"] == "/review/page/review.js?annotator=ann"
    assert "HttpOnly" in entered.headers["set-cookie"] and "SameSite=Strict" in entered.headers["set-cookie"]
    assert client.get("/review/page/review.js").status_code == 200


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
    + [("::", False), ("192.168.0.5", False), ("localhost.evil.example", False), ("", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
