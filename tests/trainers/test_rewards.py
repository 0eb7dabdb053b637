"""Rewards alone, summed, in the background and behind HTTP; whatever goes wrong names the reward."""

from __future__ import annotations

import argparse
import base64
import json
import math
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny_pipelines import LeftBrightnessScorer
from torch import Tensor

from spatial_core.images import to_pil
from spatial_trainers.commands import serve_reward as command
from spatial_trainers.recipe import build
from spatial_trainers.rewards.client import RemoteReward
from spatial_trainers.rewards.server import Limits, RewardServer
from spatial_trainers.rewards.sums import (
    BackgroundReward,
    RewardError,
    RewardPart,
    RewardRecipe,
    RewardSum,
    ScorerReward,
    load_reward,
)

# Seconds that nothing here takes, not even on a machine that does ten other things.
PATIENCE = 60.0


def brightness(images: Any, prompts: list[str]) -> Tensor:
    """Return the mean level, for pictures in either form."""
    if isinstance(images, Tensor):
        return images.mean((1, 2, 3))
    return torch.tensor([i.convert("L").resize((1, 1)).getpixel((0, 0)) / 255 for i in images])


def pictures(*levels: float) -> Tensor:
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 3, 8, 8).clone()


def part(reward: Callable[..., Any], **more: Any) -> RewardPart:
    return RewardPart("test", reward, **more)


def test_a_sum_weighs_its_parts_and_keeps_them_apart() -> None:
    reward = RewardSum([part(brightness), RewardPart("long", lambda _, p: [len(t) for t in p], -0.5)])
    found = reward.values(pictures(0.0, 1.0), ["a", "abc"])
    assert found.parts["test"].tolist() == [0.0, 1.0] and found.parts["long"].tolist() == [1.0, 3.0]
    assert found.total.tolist() == [-0.5, -0.5] == reward(pictures(0.0, 1.0), ["a", "abc"]).tolist()
    assert reward.title == "test + -0.5 long" and reward.weights == {"test": 1.0, "long": -0.5}


def test_a_scorer_is_asked_in_batches() -> None:
    scorer = LeftBrightnessScorer(gain=1.0)
    images = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    prompts = ["a ball left of a cup"] * 5
    expected = scorer.score(images, prompts)
    assert torch.equal(ScorerReward(scorer, batch_size=2)(images, prompts), expected.mean)
    assert torch.equal(ScorerReward(scorer, "satisfied")(images, prompts), expected.satisfied)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda i, p: 1 / 0, "'test' failed with ZeroDivisionError"),
        (lambda i, p: [1.0], r"one number for each of 2 pictures; it returned the shape \[1\]"),
        (lambda i, p: [[1.0], [2.0]], r"returned the shape \[2, 1\]"),
        (lambda i, p: [0.0, math.nan], "finite numbers; 1 of 2 are not, e.g. nan for the prompt 'second'"),
        (lambda i, p: [math.inf, 0.0], "e.g. inf for the prompt 'first'"),
        (lambda i, p: "high", "'test' failed with"),
    ],
)
def test_whatever_a_reward_does_wrong_names_it(answer: Callable[..., Any], says: str) -> None:
    with pytest.raises(RewardError, match=says):
        RewardSum([part(answer)])(pictures(0.1, 0.2), ["first", "second"])
    with BackgroundReward(RewardSum([part(answer)])) as background:
        pending = background.submit(pictures(0.1, 0.2), ["first", "second"])
        with pytest.raises(RewardError, match=says):
            pending.result()


def test_background_works_while_the_caller_goes_on_and_keeps_the_order() -> None:
    go = threading.Event()

    def waiting(images: Tensor, prompts: list[str]) -> Tensor:
        assert go.wait(PATIENCE)
        return brightness(images, prompts)

    with BackgroundReward(RewardSum([part(waiting)])) as background:
        first, second = (background.submit(pictures(level), ["a"]) for level in (0.25, 0.75))
        go.set()
        assert second.result().total.tolist() == [0.75] and first.result().total.tolist() == [0.25]
        assert first.result().parts["test"].tolist() == [0.25]


def test_a_reward_that_hangs_is_named_and_time_counts_from_its_own_start() -> None:
    release = threading.Event()

    def slow(_: Any, prompts: list[str]) -> Tensor:
        time.sleep(0.3)
        return torch.zeros(len(prompts))

    def hangs(_: Any, prompts: list[str]) -> Tensor:
        release.wait(PATIENCE)
        return torch.zeros(len(prompts))

    with BackgroundReward(RewardSum([part(slow, timeout=1.0)])) as background:
        waiting = [background.submit(pictures(0.5), ["a"]) for _ in range(5)]
        # The last one waits for the others for longer than its own timeout.
        assert [w.result().total.tolist() for w in waiting] == [[0.0]] * 5
    background = BackgroundReward(RewardSum([part(brightness), RewardPart("stuck", hangs, timeout=0.1)]))
    began = time.monotonic()
    stuck, behind = (background.submit(pictures(0.5), ["a"]) for _ in range(2))
    for pending in (behind, stuck):
        with pytest.raises(RewardError, match="'stuck' has not answered for 0.1 seconds on 1 pictures"):
            pending.result()
    assert time.monotonic() - began < PATIENCE / 2
    release.set()


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "one of 'scorer', 'function' and 'url'; got none"),
        ({"scorer": "starter", "url": "http://a"}, "got starter and http://a"),
        ({"function": "no_colon"}, "written module:name; got 'no_colon'"),
        ({"function": "a b:c"}, "written module:name"),
        ({"url": "ftp://host"}, "must be like http://host:8000"),
        ({"url": "host:8000"}, "must be like http://host:8000"),
        ({"scorer": "starter", "weight": 0.0}, "other than 0"),
        ({"scorer": "starter", "timeout": -1.0}, "'timeout' must be greater than 0"),
        ({"scorer": "starter", "wieght": 1.0}, "The nearest valid key is 'weight'"),
        ({"scorer": "starter", "value": "std"}, "must be one of 'mean', 'satisfied'"),
    ],
)
def test_recipes_that_cannot_be(table: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build(RewardRecipe, table)


def test_a_python_path_and_its_mistakes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_rewards.py").write_text(
        "def count(images, prompts):\n    return [float(len(p)) for p in prompts]\nnumber = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    reward = load_reward([RewardRecipe(function="my_rewards:count", weight=2.0)])
    assert reward(pictures(0.0), ["four"]).tolist() == [8.0]
    assert reward.parts[0].name == "count" and len(reward.sha256) == 64
    for function, says in (
        ("my_rewards:nothing", "cannot be imported"),
        ("no_such_module:f", "cannot be imported"),
        ("my_rewards:number", "must be callable; it is a int"),
    ):
        with pytest.raises(ValueError, match=says):
            load_reward([RewardRecipe(function=function)])
    with pytest.raises(ValueError, match="a 'name' of its own; got count, count"):
        load_reward([RewardRecipe(function="my_rewards:count")] * 2)
    with pytest.raises(ValueError, match="at least one"):
        load_reward([])


def test_mistakes_are_found_before_a_scorer_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr("spatial_core.scorers.base.SpatialScorer.from_pretrained", load)
    recipes = [RewardRecipe(scorer="starter"), RewardRecipe(function="no_such_module:f")]
    with pytest.raises(ValueError, match="cannot be imported"):
        load_reward(recipes)


# ---- over HTTP ------------------------------------------------------------------------------------------


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(reward: Callable[..., Any] = brightness, **more: Any) -> Iterator[str]:
    with serving(RewardServer(RewardPart("light", reward, sha256="abc"), port=0, **more)) as url:
        yield url


def quick(url: str, **more: Any) -> RemoteReward:
    return RemoteReward(url, **{"timeout": PATIENCE, "retries": 2, "pause": 0.001, **more})


def test_a_server_gives_what_the_reward_gives() -> None:
    levels = (0.0, 0.2, 0.6, 1.0, 0.4)
    with served() as url:
        remote = quick(url, batch_size=2)
        assert remote.health() == {"status": "ok", "reward": "light", "sha256": "abc"}
        assert torch.allclose(remote(pictures(*levels), ["a"] * 5), torch.tensor(levels))
        as_pil = [to_pil(picture) for picture in pictures(*levels)]
        assert torch.allclose(remote(as_pil, ["a"] * 5), torch.tensor(levels))
        loaded = load_reward([RewardRecipe(url=url, timeout=PATIENCE)])
        assert loaded.sha256 == "abc" and loaded(pictures(0.2), ["a"]).tolist() == pytest.approx([0.2])


def test_what_cannot_be_judged_comes_back_as_nan_and_is_named() -> None:
    with served(lambda i, p: [math.nan] * len(p)) as url:
        assert quick(url)(pictures(0.1), ["a"]).isnan().all()
        with pytest.raises(RewardError, match="'test' must return finite numbers"):
            RewardSum([part(quick(url))])(pictures(0.1), ["a"])


def test_the_model_sees_one_request_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []

    def slow(_: Any, prompts: list[str]) -> list[float]:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        inside.pop()
        return [0.0] * len(prompts)

    with served(slow) as url:
        threads = [
            threading.Thread(target=lambda: quick(url)(pictures(0.1), ["a"]), daemon=True) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert most == [1] * 4


def test_more_requests_than_places_are_told_to_come_back() -> None:
    go = threading.Event()
    asked = threading.Event()

    def waits(_: Any, prompts: list[str]) -> list[float]:
        asked.set()
        go.wait(PATIENCE)
        return [1.0] * len(prompts)

    with served(waits, limits=Limits(requests=1)) as url:
        first = threading.Thread(target=lambda: quick(url)(pictures(0.1), ["a"]), daemon=True)
        first.start()
        assert asked.wait(PATIENCE)
        with pytest.raises(ConnectionError, match="status 503, The server has as many"):
            quick(url)(pictures(0.1), ["a"])
        go.set()
        first.join(PATIENCE)


def test_a_token_is_wanted_beyond_this_machine_and_checked() -> None:
    with pytest.raises(ValueError, match="Other machines can reach 0.0.0.0, so a token is needed"):
        RewardServer(part(brightness), host="0.0.0.0", port=0)
    with served(token="secret") as url:
        assert quick(url, token="secret")(pictures(0.2), ["a"]).tolist() == pytest.approx([0.2])
        for token in ("", "wrong", "secret2", "\u00e9"):
            with pytest.raises(ValueError, match="status 401: This server wants a token"):
                quick(url, token=token)(pictures(0.2), ["a"])
            with pytest.raises(ValueError, match="status 401"):
                quick(url, token=token).health()


def png(side: int = 4, mode: str = "RGB") -> str:
    data = BytesIO()
    Image.new(mode, (side, side)).save(data, format="PNG")
    return base64.b64encode(data.getvalue()).decode()


def jpeg() -> str:
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, format="JPEG")
    return base64.b64encode(data.getvalue()).decode()


BODIES: list[tuple[Any, int, str]] = [
    (b"{", 400, "must be JSON"),
    (b"\xff\xfe", 400, "must be JSON"),
    (b"[" * 100_000, 400, "must be JSON"),
    ([], 400, "object with the lists"),
    ({"images": "x", "prompts": []}, 400, "object with the lists"),
    ({"images": [], "prompts": []}, 400, "at least one; got 0 and 0"),
    ({"images": [png()], "prompts": ["a", "b"]}, 400, "as many prompts as images, at least one; got 2 and 1"),
    ({"images": [png()] * 5, "prompts": ["a"] * 5}, 413, "may have 4 images; this has 5"),
    ({"images": [png()], "prompts": [7]}, 400, "Prompt 0 must be a text"),
    ({"images": [png()], "prompts": [" "]}, 400, "Prompt 0 must be a text"),
    ({"images": [png()], "prompts": ["a" * 101]}, 413, "Prompt 0 has 101 characters"),
    ({"images": [3], "prompts": ["a"]}, 400, "Image 0 must be a PNG file in base64; got a int"),
    ({"images": ["%%"], "prompts": ["a"]}, 400, "Image 0 must be a PNG file in base64"),
    ({"images": [png(), jpeg()], "prompts": ["a", "a"]}, 400, "Image 1 must be a PNG file in base64"),
    ({"images": [png()[:56]], "prompts": ["a"]}, 400, "Image 0 must be a PNG file in base64"),
    ({"images": [png(65)], "prompts": ["a"]}, 413, "Image 0 has 65 x 65 pixels"),
]


def ask(
    url: str, body: bytes, *, method: str = "POST", path: str = "/score", **headers: str
) -> tuple[int, str]:
    connection = HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
    connection.request(method, path, body, {"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer.get("error", "")


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    """A server with low limits."""
    limits = Limits(images=4, pixels=64 * 64, prompt_characters=100, megabytes=1)
    with served(limits=limits) as url:
        yield url


@pytest.mark.parametrize(("body", "status", "says"), BODIES)
def test_bad_requests_get_a_sentence(body: Any, status: int, says: str, small: str) -> None:
    found = ask(small, body if isinstance(body, bytes) else json.dumps(body).encode())
    assert found[0] == status and says in found[1], found
    # It still serves.
    assert ask(small, json.dumps({"images": [png(mode="LA")], "prompts": ["a"]}).encode()) == (200, "")


def test_bad_paths_types_and_lengths(small: str) -> None:
    good = json.dumps({"images": [png()], "prompts": ["a"]}).encode()
    assert ask(small, good, path="/other")[0] == 404
    assert ask(small, b"", method="GET", path="/")[0] == 404
    assert ask(small, good, **{"Content-Type": "text/plain"})[0] == 415
    assert ask(small, b"x" * 1_000_001)[0] == 413
    for rest, status in ((b"\r\n", b"411"), (b"Content-Length: -3\r\n\r\n", b"411")):
        with raw(small) as client:
            client.sendall(START + rest)
            assert client.recv(100).split()[1] == status


START = b"POST /score HTTP/1.1\r\nContent-Type: application/json\r\n"


def raw(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def test_who_sends_too_much_hears_so_at_the_end(small: str) -> None:
    with raw(small) as client:
        client.sendall(START + b"Content-Length: 5000000\r\n\r\n")
        # The answer is there before the body is sent.
        assert select.select([client], [], [], PATIENCE)[0]
        for _ in range(5):
            client.sendall(b"x" * 1_000_000)
            time.sleep(0.02)
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.0 413 ") and b"A request may have 1000000 bytes" in answer
    # Likewise where the library answers.
    with raw(small) as client:
        client.sendall(b"PUT /score HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
        assert select.select([client], [], [], PATIENCE)[0]
        client.sendall(b"x" * 1_000_000)
        assert client.recv(100).split()[1] == b"501"


def test_who_is_slow_or_never_stops_is_left() -> None:
    with served(limits=Limits(megabytes=1, seconds=1.0)) as url:
        with raw(url) as client:
            client.sendall(START + b"Content-Length: 99\r\n\r\n{")
            assert client.recv(100).split()[1] == b"408"
        with raw(url) as client:
            client.sendall(START + b"Content-Length: 5000000\r\n\r\n")
            began = time.monotonic()
            with pytest.raises(ConnectionError):
                while time.monotonic() - began < PATIENCE:
                    client.sendall(b"x")
                    time.sleep(0.01)
            assert time.monotonic() - began > 0.5


def test_a_client_hears_who_answers_early_and_hangs_up() -> None:
    answer = b'{"error": "too much"}'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.0 413 No\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        # More than the buffers between the two hold.
        noise = torch.rand(1, 3, 1600, 1600, generator=torch.Generator().manual_seed(0))
        with pytest.raises(ValueError, match="refused with status 413: too much"):
            quick(f"http://127.0.0.1:{server.getsockname()[1]}", retries=0)(noise, ["a"])
        thread.join(PATIENCE)


def test_a_scorers_own_complaint_is_the_clients_and_a_crash_the_servers() -> None:
    def picky(_: Any, prompts: list[str]) -> list[float]:
        raise ValueError("no such prompt") if prompts == ["a"] else RuntimeError("broken")

    body = {"images": [png()], "prompts": ["a"]}
    with served(picky) as url:
        assert ask(url, json.dumps(body).encode()) == (
            400,
            "The reward 'light' failed with ValueError: no such prompt. Try it alone on one picture.",
        )
        assert ask(url, json.dumps(body | {"prompts": ["b"]}).encode())[0] == 500


def test_the_command_serves_and_refuses_before_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "served_reward.py").write_text("def red(images, prompts):\n    return [0.5] * len(prompts)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv(command.TOKEN_VARIABLE, raising=False)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    serve, found = RewardServer.serve_forever, []

    def once(server: RewardServer) -> None:
        threading.Thread(target=serve, args=(server, 0.01), daemon=True).start()
        found.extend(quick(f"http://127.0.0.1:{server.server_port}")(pictures(0.2, 0.4), ["a"] * 2).tolist())
        server.shutdown()

    monkeypatch.setattr(RewardServer, "serve_forever", once)
    command.run(parser.parse_args(["--function", "served_reward:red", "--port", "0"]))
    assert found == [0.5, 0.5]
    said = capsys.readouterr().out
    assert said.startswith("red at http://127.0.0.1:") and "without a token; Ctrl-C ends it." in said
    with pytest.raises(ValueError, match="Other machines can reach ::, so a token is needed"):
        command.run(parser.parse_args(["--function", "nowhere:f", "--host", "::"]))
    with pytest.raises(ValueError, match="'nowhere:f' cannot be imported"):
        command.run(parser.parse_args(["--function", "nowhere:f"]))


class _Scripted(BaseHTTPRequestHandler):
    """Gives the answers in `script`, one a request."""

    script: list[tuple[int, bytes]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.script.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_busy_server_is_asked_again_and_a_strange_one_is_refused() -> None:
    good = b'{"rewards": [1.5]}'
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _Scripted)) as url:

        def answers(*script: tuple[int, bytes]) -> Tensor:
            _Scripted.script = list(script)
            return quick(url)(pictures(0.1), ["a"])

        assert answers((503, b"busy"), (429, b"{}"), (200, good)).tolist() == [1.5]
        with pytest.raises(
            ConnectionError, match=r"no answer in 3 attempts of up to 60 seconds \(last: status 503"
        ):
            answers(*[(503, b"busy")] * 3)
        for body in (b"<html>", b"[1]", b"\xff"):
            with pytest.raises(ValueError, match="must answer with a JSON object"):
                answers((200, body))
        for body in (b"{}", b'{"rewards": [1, 2]}', b'{"rewards": ["1"]}', b'{"rewards": [true]}'):
            with pytest.raises(ValueError, match="must answer with a list of 1 numbers"):
                answers((200, body))
        with pytest.raises(ValueError, match="refused with status 404: gone"):
            answers((404, b'{"error": "gone"}'))


def test_nobody_there_and_somebody_silent() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ConnectionError, match=f"http://127.0.0.1:{port} gave no answer in 3 attempts"):
            quick(f"http://127.0.0.1:{port}").health()
        bound.listen(8)
        began = time.monotonic()
        with pytest.raises(ConnectionError, match="timed out"):
            quick(f"http://127.0.0.1:{port}", timeout=0.05).health()
        assert time.monotonic() - began < PATIENCE / 2
