"""The client of `spatial serve-reward`: a reward that another machine computes.

The protocol: POST /score with {"images": [PNG in base64, ...], "prompts": [...]} is answered with
{"rewards": [number or null, ...]}; GET /health with {"status": "ok", "reward": name, "sha256": ...}; an error
with {"error": a sentence}.
"""

from __future__ import annotations

import base64
import json
import math
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import torch
from PIL import Image
from torch import Tensor

from spatial_core.images import to_pil

_BUSY = frozenset({429, 500, 502, 503, 504})
_MAX_ANSWER = 1 << 24
_LONGEST_PAUSE = 30.0


class RemoteReward:
    """A reward computed by a server."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float = 300.0,
        retries: int = 3,
        pause: float = 0.5,
        token: str = "",
        batch_size: int = 8,
    ) -> None:
        """Note where the server is; nothing is asked yet.

        Args:
            url: As "http://127.0.0.1:8000".
            timeout: Seconds that an answer may take.
            retries: How often it is asked again where it cannot be reached or is busy.
            pause: Seconds before the first of these; every further one waits twice as long.
            token: What the server wants to be shown; "" for none.
            batch_size: Pictures sent at a time.
        """
        self.url = url.rstrip("/")
        self._timeout, self._retries, self._pause = timeout, retries, pause
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._batch_size = batch_size

    def __call__(self, images: Tensor | list[Image.Image], prompts: list[str]) -> Tensor:
        """Return float32 `[B]`; NaN where the server had nothing to judge.

        Raises:
            ValueError: If the server refuses, or answers with something else.
            ConnectionError: If it cannot be reached.
        """
        rewards: list[float] = []
        for start in range(0, len(prompts), self._batch_size):
            part = slice(start, start + self._batch_size)
            body = {"images": [_png(image) for image in images[part]], "prompts": prompts[part]}
            answer = self._ask("POST", "/score", json.dumps(body).encode())
            rewards += self._numbers(answer.get("rewards"), len(body["prompts"]))
        return torch.tensor(rewards)

    def health(self) -> dict[str, Any]:
        """Return what the server says of itself.

        Raises:
            ValueError: If it refuses, or answers with something else.
            ConnectionError: If it cannot be reached.
        """
        return self._ask("GET", "/health", None)

    def _numbers(self, values: Any, count: int) -> list[float]:
        if (
            not isinstance(values, list)
            or len(values) != count
            or not all(value is None or type(value) in (int, float) for value in values)
        ):
            raise ValueError(
                f"The reward server {self.url} must answer with a list of {count} numbers; got "
                f"{str(values)[:80]}. Look whether it is of this version."
            )
        return [math.nan if value is None else float(value) for value in values]

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        reason = ""
        for attempt in range(self._retries + 1):
            if attempt:
                time.sleep(min(_LONGEST_PAUSE, self._pause * 2 ** (attempt - 1)))
            try:
                status, data = self._request(method, path, body)
            except (OSError, HTTPException) as error:
                reason = str(error) or type(error).__name__
                continue
            if status in _BUSY:
                reason = f"status {status}, {_said(data)}"
                continue
            if status != 200:
                raise ValueError(f"The reward server {self.url} refused with status {status}: {_said(data)}")
            try:
                answer = json.loads(data)
            except ValueError:
                answer = None
            if not isinstance(answer, dict):
                raise ValueError(
                    f"The reward server {self.url} must answer with a JSON object; got {data[:80]!r}. Look "
                    "whether the address is that of `spatial serve-reward`."
                )
            return answer
        raise ConnectionError(
            f"The reward server {self.url} gave no answer in {self._retries + 1} attempts of up to "
            f"{self._timeout:g} seconds (last: {reason}). Look whether it runs and can be reached."
        )

    def _request(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        place = urlsplit(self.url)
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        deadline = time.monotonic() + self._timeout
        connection = kind(place.hostname or "", place.port, timeout=self._timeout)
        try:
            headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
            connection.connect()
            # Who refuses may answer and close before everything is sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, place.path + path, body, headers)
            response = connection.getresponse()
            data = b""
            # The connection's own timeout is that of every single byte.
            while (part := response.read1(1 << 16)) and len(data) < _MAX_ANSWER:
                data += part
                if time.monotonic() > deadline:
                    raise TimeoutError("the answer took too long")
            return response.status, data
        finally:
            connection.close()


def _png(image: Tensor | Image.Image) -> str:
    picture = to_pil(image.float().clamp(0.0, 1.0)) if isinstance(image, Tensor) else image.convert("RGB")
    data = BytesIO()
    # Level 1: the network is rarely the bottleneck, and the best compression costs more than scoring does.
    picture.save(data, format="PNG", compress_level=1)
    return base64.b64encode(data.getvalue()).decode("ascii")


def _said(data: bytes) -> str:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return data[:200].decode("utf-8", errors="replace") or "no explanation"
