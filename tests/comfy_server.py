"""A real ComfyUI in CPU mode with this checkout in its custom_nodes, for the tests marked `comfyui`.

COMFYUI_PATH names a checkout of ComfyUI, COMFYUI_PYTHON the Python that has its requirements (if not set, the
one that runs the tests).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACK = "spatial-diffusion-1.0"

PROBE = ROOT / "tests" / "comfy_probe.py"


@dataclass(frozen=True)
class Run:
    """What became of one prompt.

    Attributes:
        status: "success" or "error".
        outputs: What each node showed, by node id.
        cached: Ids of the nodes that were not executed.
        error: Message and node of the failure, None without one.
        interrupted: When it was stopped, in seconds of the clock; None if it was not.
    """

    status: str
    outputs: dict[str, Any] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    error: dict[str, Any] | None = None
    interrupted: float | None = None


class ComfyServer:
    """One running server.

    Attributes:
        at_start: What the probe saw before the first graph ran.
    """

    at_start: dict[str, Any]

    def __init__(self, base: Path, *, python_path: Sequence[Path] = ()) -> None:
        """Start ComfyUI with `base` as its folder of inputs, outputs, models and custom nodes."""
        self.base = base
        for name in ("custom_nodes", "input", "output", "models"):
            (base / name).mkdir(parents=True, exist_ok=True)
        pack = base / "custom_nodes" / PACK
        if not pack.exists():
            pack.symlink_to(ROOT, target_is_directory=True)
        (base / "custom_nodes" / "zz_probe").mkdir(exist_ok=True)
        shutil.copy(PROBE, base / "custom_nodes" / "zz_probe" / "__init__.py")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log_file = base / "comfyui.log"
        command = [
            os.environ.get("COMFYUI_PYTHON", sys.executable),
            *("main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(self.port)),
            *("--disable-auto-launch", "--disable-api-nodes", "--base-directory", str(base)),
            *("--database-url", "sqlite:///:memory:"),
        ]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, python_path)),
            "HF_HUB_OFFLINE": "1",
        }
        with self.log_file.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command, cwd=os.environ["COMFYUI_PATH"], stdout=log, stderr=subprocess.STDOUT, env=environment
            )

    def wait_until_ready(self, timeout: float = 900.0) -> None:
        """Return when the server answers."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"ComfyUI ended:\n{self.log()[-4000:]}")
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.5)
        raise TimeoutError(f"ComfyUI did not answer:\n{self.log()[-4000:]}")

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def log(self) -> str:
        """Return what it has printed."""
        return self.log_file.read_text("utf-8", errors="replace")

    def raw(self, path: str, body: Any = None) -> bytes:
        """GET `path`, or POST `body` as JSON to it."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"} if data else {}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def get(self, path: str) -> Any:
        """Return the JSON of `path`."""
        return json.loads(self.raw(path))

    def submit(self, graph: dict[str, Any], *, targets: Sequence[str] = ()) -> str | dict[str, Any]:
        """Queue an API graph; return its id, or the node errors of a refused one."""
        body: dict[str, Any] = {"prompt": graph, "client_id": "tests"}
        if targets:
            body["partial_execution_targets"] = list(targets)
        try:
            return json.loads(self.raw("/prompt", body))["prompt_id"]
        except urllib.error.HTTPError as refused:
            return json.loads(refused.read())

    def result(self, prompt_id: str, timeout: float = 300.0) -> Run:
        """Wait for a queued prompt."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return _run(history[prompt_id])
            time.sleep(0.05)
        raise TimeoutError(f"Prompt {prompt_id} did not end:\n{self.log()[-4000:]}")

    def run(self, graph: dict[str, Any]) -> Run:
        """Queue a graph and wait for it; a refused graph is an error too."""
        submitted = self.submit(graph)
        if isinstance(submitted, dict):
            return Run("refused", error=submitted)
        return self.result(submitted)

    def image(self, shown: dict[str, str]) -> bytes:
        """Return the file of an entry of a node's `images`."""
        query = "&".join(f"{key}={shown[key]}" for key in ("filename", "subfolder", "type"))
        return self.raw(f"/view?{query}")


def _run(entry: dict[str, Any]) -> Run:
    messages = dict(entry["status"]["messages"])
    stopped = messages.get("execution_interrupted")
    return Run(
        status=entry["status"]["status_str"],
        outputs=entry["outputs"],
        cached=tuple(messages.get("execution_cached", {}).get("nodes", ())),
        error=messages.get("execution_error"),
        interrupted=stopped["timestamp"] / 1000 if stopped else None,
    )


def node(class_type: str, /, **inputs: Any) -> dict[str, Any]:
    """Return a node of an API graph."""
    return {"class_type": class_type, "inputs": inputs}


def said(run: Run) -> str:
    """Return what the red node says."""
    assert run.error is not None, run
    return str(run.error.get("exception_message", run.error))
