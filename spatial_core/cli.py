"""The `spatial` command: core verbs, and whatever installed packages add through `spatial.commands`.

A verb is a module with `HELP: str`, `add_arguments(parser)` and `run(args) -> int | None` that imports what
is heavy only inside `run`, so that `spatial --help` answers at once. Other packages register theirs as entry
points of the group `spatial.commands` (name = verb, value = module); this file never names them.

Exit codes: 0 done, 2 the caller's mistake (one line on standard error), 130 interrupted, 141 reader gone.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol, cast

ENTRY_POINT_GROUP = "spatial.commands"

_CORE = {
    "score": "spatial_core.commands.score",
    "rank": "spatial_core.commands.rank",
    "explain": "spatial_core.commands.explain",
    "generate": "spatial_core.commands.generate",
    "parse": "spatial_core.commands.parse",
    "perturb": "spatial_core.commands.perturb",
    "scenes": "spatial_core.commands.scenes",
    "lora": "spatial_core.commands.lora",
    "doctor": "spatial_core.commands.doctor",
}


class Verb(Protocol):
    """What a verb's module offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments; imports nothing heavy."""
        ...

    def run(self, args: argparse.Namespace) -> int | None:
        """Do it. Returns the exit code, None for 0.

        Raises:
            ValueError, OSError: For the caller's mistakes; the message becomes one line on standard error.
        """
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (the process's own if None) and return its exit code.

    Raises:
        SystemExit: From argparse, for --help (0) and for arguments that do not fit (2).
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console that cannot show a character must not stop the work.
            stream.reconfigure(errors="backslashreplace")
    # Importing diffusers tells of image processors that nothing here uses.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    debug = False
    try:
        verb = next((word for word in words if not word.startswith("-")), None)
        verbs = {verb: cast(Verb, import_module(_CORE[verb]))} if verb in _CORE else _all_verbs()
        args = _parser(verbs).parse_args(words)
        debug = args.debug
        code = args.run(args)
        sys.stdout.flush()
        return code or 0
    except KeyboardInterrupt:
        print("spatial: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `spatial parse ... | head`: the reader has what it wanted. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        if debug:
            raise
        print(f"spatial: error: {_one_line(error)}", file=sys.stderr)
        return 2


def _parser(verbs: Mapping[str, Verb]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spatial",
        description="Measure, choose and train spatial correctness in text-to-image generation.",
        epilog="spatial VERB --help tells more about one verb.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    parser.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for name, verb in verbs.items():
        child = subparsers.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(child)
        if child.get_default("run") is None:
            child.set_defaults(run=verb.run)
    return parser


def _all_verbs() -> dict[str, Verb]:
    verbs = {name: cast(Verb, import_module(module)) for name, module in _CORE.items()}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        verbs.setdefault(entry.name, cast(Verb, entry.load()))
    return verbs


def _one_line(error: Exception) -> str:
    # Libraries wrap their messages over several lines; ours are one sentence or two.
    return " ".join(str(error).split()) or type(error).__name__


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from spatial_core import __version__

        print(f"spatial-diffusion {__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
