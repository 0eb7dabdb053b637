"""Two CPU processes that accelerate takes for a distributed launch.

`accelerate launch --cpu --num_processes 2` starts one process and says nothing; torchrun starts two.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CHECKED = """
import runpy, sys
from accelerate import Accelerator
assert Accelerator().num_processes == 2
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_in_two(script: Path, *arguments: str, **environment: str) -> str:
    """Run a script in two processes and return what they printed; both must succeed."""
    launcher = script.with_name("launched.py")
    launcher.write_text(_CHECKED)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, str(launcher), str(script), *arguments],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-20000:]
    return done.stdout
