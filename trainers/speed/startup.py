"""How long a cold shell waits: CPU time of child processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from spatial_core.starter import starter_path
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import Cost, Spread, ratios

_PROMPT = "a red ball to the left of a blue cup"
_BARE = "import torch; from transformers import Qwen3VLForConditionalGeneration"

# As ComfyUI imports a custom node: after its own modules, torch among them, under a name of its own.
_NODE_PACK = """
import importlib.util, pathlib, sys, time
comfyui, pack = sys.argv[1:]
sys.path.insert(0, comfyui)
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import nodes, comfy_api.latest
began = time.process_time()
spec = importlib.util.spec_from_file_location(
    "pack", pathlib.Path(pack, "__init__.py"), submodule_search_locations=[pack]
)
module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
took = time.process_time() - began
module.comfy_entrypoint
print(took)
"""


def run_in_turns(commands: Mapping[str, Sequence[str]], *, turns: int, warm: bool = False) -> dict[str, Cost]:
    """Return what child processes cost, run A B A B ...

    Args:
        commands: By name.
        turns: Timed turns of each.
        warm: Whether the disk's cache holds their files already; else a first turn, not timed, fills it.

    Raises:
        subprocess.CalledProcessError: If one fails.
    """
    process: dict[str, list[float]] = {name: [] for name in commands}
    wall: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(warm, turns + 1):
        for name, command in commands.items():
            before, began = os.times(), time.perf_counter()
            subprocess.run(list(command), check=True, capture_output=True)
            after = os.times()
            if turn:
                spent = after.children_user - before.children_user
                process[name].append(spent + after.children_system - before.children_system)
                wall[name].append(time.perf_counter() - began)
    return {name: Cost(tuple(process[name]), tuple(wall[name])) for name in commands}


def measure_startup(*, turns: int) -> list[Row]:
    """Return the rows of importing, of the command line's help and of the first score on the starter."""
    python = sys.executable
    spatial = (python, "-m", "spatial_core.cli")
    light = run_in_turns(
        {
            "import spatial_core": (python, "-c", "import spatial_core"),
            "bare Python": (python, "-c", "pass"),
            "spatial --help": (*spatial, "--help"),
        },
        turns=turns,
    )
    image = sorted(Path(starter_path("reward")).parent.glob("demo/images/*.png"))[0]
    heavy = run_in_turns(
        {
            "first score": (*spatial, "score", str(image), "--prompt", _PROMPT),
            "torch and the model's class": (python, "-c", _BARE),
        },
        turns=min(turns, 2),
        warm=True,
    )
    imported, bare = light["import spatial_core"].process, light["bare Python"].process
    over = Spread.of([a - b for a, b in zip(imported, bare, strict=True)]).median
    helped = Spread.of(light["spatial --help"].process).median
    first = ratios(heavy["first score"], heavy["torch and the model's class"]).median
    return [
        Row(
            "start-light",
            "start-up",
            light,
            (
                Bar("import spatial_core over bare Python, s", over, 0.05, at_most=True),
                Bar("spatial --help, s", helped, 0.3, at_most=True),
            ),
        ),
        Row(
            "start-heavy",
            "first score of a cold shell",
            heavy,
            (Bar("first score / importing torch and the model's class", first, 1.3, at_most=True),),
        ),
    ]


def measure_node_pack(*, turns: int) -> Row | None:
    """Return the row of ComfyUI importing the node pack; None where COMFYUI_PATH names no ComfyUI.

    COMFYUI_PYTHON is the Python that has its requirements, this one if not set. Only the pack is timed, by
    the child itself: ComfyUI and torch are imported by then.

    Raises:
        subprocess.CalledProcessError: If ComfyUI or the pack cannot be imported.
    """
    comfyui, pack = os.environ.get("COMFYUI_PATH"), Path(starter_path("reward")).parents[2]
    if comfyui is None or not (pack / "nodes").is_dir():
        return None
    command = (os.environ.get("COMFYUI_PYTHON", sys.executable), "-c", _NODE_PACK, comfyui, str(pack))
    seconds = [
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        for _ in range(turns)
    ]
    cost = Cost(tuple(seconds), tuple(seconds))
    bar = Bar("CPU seconds", Spread.of(seconds).median, 0.1, at_most=True)
    return Row("start-nodes", "import of the node pack in ComfyUI", {"the pack alone": cost}, (bar,))
