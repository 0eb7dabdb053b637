"""A reward behind HTTP, for training that runs on another machine: `spatial serve-reward`.

The protocol is in `spatial_trainers.rewards.client`. Requests are read by a thread each, and the model sees
one at a time. Whatever a client may do wrong is answered with 4xx and a sentence; nothing that it sends is
run, and no file is read or written for it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
import json
import math
import socket
import sys
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

from spatial_trainers.rewards.sums import RewardError, RewardPart, judge


@dataclass(frozen=True)
class Limits:
    """How much a request may bring.

    Attributes:
        images: Pictures.
        pixels: Of one picture.
        prompt_characters: Of one prompt.
        megabytes: Of the whole request.
        requests: That are read or wait for the model at a time; further ones are told to come back.
        seconds: That a client may keep the server waiting for its next bytes, and that it may go on sending
            after it was answered.
    """

    images: int = 64
    pixels: int = 2048 * 2048
    prompt_characters: int = 10_000
    megabytes: int = 256
    requests: int = 8
    seconds: float = 30.0


class _Refusal(Exception):  # noqa: N818  (an answer, not an error of ours)
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class RewardServer(ThreadingHTTPServer):
    """Serves one reward; `serve_forever()` runs it, `shutdown()` from another thread ends it.

    Attributes:
        part: What is served.
        limits: How much a request may bring.
        busy: Held while the model works.
        places: One is taken by every request that is read or waits.
    """

    daemon_threads = True

    def __init__(
        self,
        part: RewardPart,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str = "",
        limits: Limits = Limits(),  # noqa: B008  (frozen)
    ) -> None:
        """Listen.

        Args:
            part: What is served.
            host: Address to listen at; beyond this machine only with a token.
            port: 0 for any that is free; `server_port` then tells it.
            token: What clients must show; "" for none.
            limits: How much a request may bring.

        Raises:
            ValueError: If other machines could reach it and there is no token.
            OSError: If the address is in use or not one of this machine's.
        """
        check_exposure(host, token)
        self.part, self.limits = part, limits
        self._token = token
        self.busy = threading.Lock()
        self.places = threading.BoundedSemaphore(limits.requests)
        super().__init__((host, port), _Handler)

    def admits(self, authorization: str) -> bool:
        """Return whether a request that shows `authorization` may be answered."""
        wanted = f"Bearer {self._token}".encode()
        return not self._token or hmac.compare_digest(authorization.encode("utf-8", "replace"), wanted)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RewardServer  # pyright: ignore[reportIncompatibleVariableOverride]
    server_version = "spatial-reward"
    sys_version = ""

    def setup(self) -> None:
        self.timeout = self.server.limits.seconds
        super().setup()

    def finish(self) -> None:
        """Close so that the answer arrives.

        A connection closed over bytes that nobody read is reset, and a reset takes the answer with it: who
        still sends would never learn that it was too much. So what comes is read, for a while, and dropped.
        """
        super().finish()
        end = time.monotonic() + self.server.limits.seconds
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(1 << 16):
                    break

    def do_GET(self) -> None:
        self._answer(self._health)

    def do_POST(self) -> None:
        self._answer(self._score)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Write no line for every request."""

    def _answer(self, make: Any) -> None:
        try:
            if not self.server.admits(self.headers.get("Authorization", "")):
                raise _Refusal(401, "This server wants a token: 'Authorization: Bearer TOKEN'.")
            status, answer = 200, make()
        except _Refusal as refusal:
            status, answer = refusal.status, {"error": str(refusal)}
        except TimeoutError:
            status, answer = 408, {"error": "The request did not arrive in time."}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        # What was not read would be taken for the next request.
        self.close_connection = True
        self.end_headers()
        self.wfile.write(data)

    def _health(self) -> dict[str, Any]:
        if self.path != "/health":
            raise _Refusal(404, f"There is GET /health and POST /score; got GET {self.path[:80]}.")
        part = self.server.part
        return {"status": "ok", "reward": part.name, "sha256": part.sha256}

    def _score(self) -> dict[str, Any]:
        if self.path != "/score":
            raise _Refusal(404, f"There is GET /health and POST /score; got POST {self.path[:80]}.")
        # A page in a browser may post other types to this machine without asking.
        if self.headers.get_content_type() != "application/json":
            raise _Refusal(415, "The request must be of the type application/json.")
        server = self.server
        if not server.places.acquire(blocking=False):
            raise _Refusal(503, "The server has as many requests as it takes. Try again.")
        try:
            images, prompts = _read(self._body(), server.limits)
            with server.busy:
                values = judge(server.part, images, prompts, finite=False)
        except RewardError as error:
            # The scorer's own ValueErrors are about what it was given.
            status = 400 if isinstance(error.__cause__, ValueError) else 500
            raise _Refusal(status, str(error)) from error
        finally:
            server.places.release()
        return {"rewards": [value if math.isfinite(value) else None for value in values.tolist()]}

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise _Refusal(411, "The request must say its length (Content-Length).")
        most = self.server.limits.megabytes * 1_000_000
        if int(length) > most:
            raise _Refusal(
                413,
                f"A request may have {most} bytes; this has {int(length)}. Send fewer pictures at a time.",
            )
        data = self.rfile.read(int(length))
        if len(data) < int(length):
            raise _Refusal(400, f"The request must have {int(length)} bytes; {len(data)} came.")
        return data


def _read(data: bytes, limits: Limits) -> tuple[list[Image.Image], list[str]]:
    """Return the pictures and prompts of a request.

    Raises:
        _Refusal: If it is not of the protocol's form, or too much.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _Refusal(400, f"The request must be JSON: {error}.") from error
    if not isinstance(body, dict) or not all(isinstance(body.get(k), list) for k in ("images", "prompts")):
        raise _Refusal(400, 'The request must be an object with the lists "images" and "prompts".')
    images, prompts = body["images"], body["prompts"]
    if len(images) != len(prompts) or not images:
        raise _Refusal(
            400,
            f"There must be as many prompts as images, at least one; got {len(prompts)} and {len(images)}.",
        )
    if len(images) > limits.images:
        raise _Refusal(413, f"A request may have {limits.images} images; this has {len(images)}.")
    for number, prompt in enumerate(prompts):
        if not isinstance(prompt, str) or not prompt.strip():
            raise _Refusal(400, f"Prompt {number} must be a text; got {str(prompt)[:80]!r}.")
        if len(prompt) > limits.prompt_characters:
            raise _Refusal(
                413, f"Prompt {number} has {len(prompt)} characters; {limits.prompt_characters} may be."
            )
    return [_picture(image, number, limits) for number, image in enumerate(images)], prompts


def _picture(text: Any, number: int, limits: Limits) -> Image.Image:
    if not isinstance(text, str):
        raise _Refusal(400, f"Image {number} must be a PNG file in base64; got a {type(text).__name__}.")
    try:
        data = base64.b64decode(text, validate=True)
        with warnings.catch_warnings():
            # PIL warns of pictures that our own limit refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=["PNG"])
        # The header tells the size; a small file may unpack to more than memory holds.
        if image.width * image.height > limits.pixels:
            raise _Refusal(
                413,
                f"Image {number} has {image.width} x {image.height} pixels; {limits.pixels} may be in all.",
            )
        image.load()
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _Refusal(400, f"Image {number} must be a PNG file in base64: {error}.") from error
    return image


def check_exposure(host: str, token: str) -> None:
    """Check that whoever can reach a server at `host` has to show something.

    Raises:
        ValueError: If other machines could reach it and there is no token.
    """
    if not token and not _is_loopback(host):
        raise ValueError(
            f"Other machines can reach {host}, so a token is needed: put one into the environment variable "
            "SPATIAL_REWARD_TOKEN, here and where the training runs. Or listen at 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
