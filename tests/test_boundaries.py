"""The rooms and the arrows between them, held by reading every import. Each failure says what to do."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import spatial_core

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "spatial_core"

# Inside spatial_core a file imports only from rooms above its own, and freely within it.
ORDER = (
    "atomic_files",
    "language",
    "known_things",
    "selection",
    "statistics",
    "geometry",
    "geometry_benchmarks",
    "images",
    "scenes",
    "preference_loss",
    "packing",
    "vision_language",
    "feature_cache",
    "micro_batches",
    "lora",
    "float8",
    "backbones",
    "reward_model",
    "scorers",
    "localizer_network",
    "localizer",
    "spatial_accuracy",
    "report_sheet",
    "flow_sde",
    "pipeline",
    "starter",
    "commands",
    "cli",
)

# So do the packages of trainers, and they from the modules that lie beside them, which use none of them.
TRAINERS_ORDER = (
    "pairs",
    "review",
    "dataset",
    "backbone",
    "reward_model",
    "localizer",
    "flow",
    "rewards",
    "rl",
    "lora",
    "bench",
    "speed",
    "commands",
)

ARRAYS = frozenset({"torch", "numpy", "PIL"})
MODELS = ARRAYS | {"transformers", "safetensors", "huggingface_hub", "tokenizers"}
# peft makes a model trainable and diffusers holds the pipeline: each only where that is done.
LIBRARIES: dict[str, frozenset[str]] = {
    "atomic_files": frozenset(),
    "language": frozenset({"numpy"}),
    "known_things": frozenset(),
    "selection": frozenset({"numpy"}),
    "statistics": frozenset({"numpy"}),
    "geometry": ARRAYS,
    "geometry_benchmarks": ARRAYS,
    "images": ARRAYS,
    "scenes": ARRAYS,
    "preference_loss": ARRAYS,
    "float8": ARRAYS,
    "flow_sde": ARRAYS,
    "report_sheet": frozenset({"PIL"}),
    "reward_model": MODELS | {"peft"},
    "pipeline": MODELS | {"diffusers"},
    "commands": MODELS | {"matplotlib"},
}
FILE_FREE = ("language", "selection", "statistics", "geometry", "scenes", "preference_loss", "flow_sde")
COMMAND_LINE = ("commands", "cli")
HOSTS = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "nodes"}
TRAINING = {"trainers", "spatial_trainers", "accelerate", "tensorboard"}

PUBLIC_NAMES = {
    "Edit",
    "Entity",
    "Perturbation",
    "RELATIONS",
    "Ranking",
    "Relation",
    "RelationReport",
    "SceneGraph",
    "SpatialDiffusionPipeline",
    "SpatialRewardModel",
    "SpatialScorer",
    "SpatialScores",
    "__version__",
    "best_of_n",
    "p_best",
    "parse_prompt",
    "perturb",
    "rank",
    "select_extremes",
}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything that the file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or path.parent == ROOT, (
                f"{path}:{node.lineno}: write the import absolutely."
            )
            # `from spatial_core import starter` names a room as well as `from spatial_core.starter import x`.
            prefix = f"{node.module}." if node.module == "spatial_core" else f"{node.module}#"
            yield from ((node.lineno, (prefix + alias.name).split("#")[0]) for alias in node.names)


def room(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT).as_posix()}:{line}"


CORE_FILES = [path for path in python_files(CORE) if path != CORE / "__init__.py"]


def test_every_room_has_its_place_in_the_order() -> None:
    missing = {room(path) for path in CORE_FILES} - set(ORDER)
    assert not missing, (
        f"{sorted(missing)} are new in spatial_core: put them into ORDER, below what they import."
    )


def test_arrows_inside_the_core_point_upwards() -> None:
    wrong = [
        f"{where(path, line)} imports {name}: '{room(path)}' stands above it. Move the code, or hand it in."
        for path in CORE_FILES
        for line, name in imports(path)
        if name.startswith("spatial_core.")
        and name.split(".")[1] in ORDER
        and ORDER.index(name.split(".")[1]) > ORDER.index(room(path))
    ]
    assert not wrong, "\n".join(wrong)


def test_each_room_uses_only_its_libraries() -> None:
    wrong = [
        f"{where(path, line)} imports {name}: '{room(path)}' may use the standard library and "
        f"{sorted(LIBRARIES.get(room(path), MODELS))}."
        for path in CORE_FILES
        for line, name in imports(path)
        if (top := name.split(".")[0]) != "spatial_core"
        and top not in sys.stdlib_module_names
        and top not in LIBRARIES.get(room(path), MODELS)
    ]
    assert not wrong, "\n".join(wrong)


def test_the_core_has_never_heard_of_hosts_or_training() -> None:
    wrong = [
        f"{where(path, line)} imports {name}: spatial_core serves hosts and trainers, and knows neither."
        for path in python_files(CORE)
        for line, name in imports(path)
        if name.split(".")[0] in HOSTS | TRAINING
    ]
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_reads_arguments() -> None:
    wrong = [
        f"{where(path, line)} imports argparse: take parameters; parse in spatial_core/commands."
        for path in CORE_FILES
        if room(path) not in COMMAND_LINE
        for line, name in imports(path)
        if name == "argparse"
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_rooms_touch_no_files() -> None:
    calls = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "save", "load"}
    wrong = [
        f"{where(path, node.lineno)} calls {name}(): '{room(path)}' computes; let the caller read and write."
        for path in CORE_FILES
        if room(path) in FILE_FREE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in calls
    ]
    assert not wrong, "\n".join(wrong)


def test_arrows_inside_trainers_point_upwards() -> None:
    places = {"": 0} | {name: place for place, name in enumerate(TRAINERS_ORDER, start=1)}
    packages = {path.parent.name for path in python_files(ROOT / "trainers") if path.name == "__init__.py"}
    assert packages - {"trainers"} == set(TRAINERS_ORDER), "Put new packages into TRAINERS_ORDER."
    wrong: list[str] = []
    for path in python_files(ROOT / "trainers"):
        inside = path.relative_to(ROOT / "trainers").parent.as_posix().removeprefix(".")
        for line, name in imports(path):
            parts = name.split(".")
            other = parts[1] if parts[0] == "spatial_trainers" and len(parts) > 1 else ""
            if places.get(other, 0) > places[inside]:
                wrong.append(f"{where(path, line)} imports {name}: '{inside or 'trainers'}' stands above it.")
    assert not wrong, "\n".join(wrong)


def test_trainers_know_neither_host_nor_command_line() -> None:
    forbidden = HOSTS | {"trainers"}
    wrong = [
        f"{where(path, line)} imports {name}: trainers use spatial_core and training libraries, and call "
        "themselves spatial_trainers."
        for path in python_files(ROOT / "trainers")
        for line, name in imports(path)
        if name.split(".")[0] in forbidden or name.startswith(("spatial_core.cli", "spatial_core.commands"))
    ]
    assert not wrong, "\n".join(wrong)


def run_python(script: str, *, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "statement",
    [
        "import spatial_core",
        "from spatial_core import parse_prompt, perturb, RELATIONS, SceneGraph",
        "import spatial_core.selection",
        "import spatial_core.cli",
    ],
)
def test_imports_that_must_stay_light(statement: str) -> None:
    heavy = run_python(
        f"{statement}\nimport sys\n"
        "print([m for m in ('torch', 'transformers', 'diffusers', 'peft', 'PIL') if m in sys.modules])"
    )
    assert heavy.strip() == "[]", (
        f"`{statement}` loads {heavy.strip()}; import them inside the function that needs them."
    )


def test_every_module_can_be_imported() -> None:
    run_python(
        "import importlib, pkgutil, spatial_core, spatial_trainers\n"
        "for package in (spatial_core, spatial_trainers):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
    )


def test_public_names_are_frozen() -> None:
    assert set(dir(spatial_core)) == PUBLIC_NAMES, (
        "Names may be added to this list, never changed or removed."
    )
    for name in PUBLIC_NAMES:
        getattr(spatial_core, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        spatial_core.nonsense  # noqa: B018


def test_outside_comfyui_the_root_file_does_nothing() -> None:
    defined = run_python(
        "import runpy, sys, importlib.util\n"
        "if importlib.util.find_spec('comfy_api') is None:\n"
        f"    names = runpy.run_path({str(ROOT / '__init__.py')!r})\n"
        "    print('comfy_entrypoint' in names, 'spatial_core' in sys.modules)\n"
    )
    assert defined.strip() in ("False False", "")


def test_the_checkout_is_not_on_the_path(tmp_path: Path) -> None:
    """With the root on sys.path, `import nodes` would find our folder instead of ComfyUI's module."""
    places = run_python(
        "import importlib.util\n"
        "for name in ('nodes', 'workflows', 'trainers'):\n"
        "    spec = importlib.util.find_spec(name)\n"
        "    print(*(spec.submodule_search_locations or [spec.origin]) if spec else ())\n",
        cwd=tmp_path,
    )
    assert str(ROOT) not in places, f"Take the checkout off sys.path; it shows {places.split()}."


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    pytest.importorskip("setuptools")
    source = tmp_path_factory.mktemp("source")
    for folder in ("spatial_core", "trainers", "nodes", "workflows", "tests"):
        if (ROOT / folder).is_dir():
            copytree(ROOT / folder, source / folder, ignore=ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "__init__.py"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    run_python("from setuptools import build_meta; build_meta.build_wheel('dist')", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_ships_two_packages_and_nothing_else(wheel_names: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    information = {top for top in tops if top.endswith(".dist-info")}
    assert tops - information == {"spatial_core", "spatial_trainers"}, (
        "Name packages in pyproject.toml one by one."
    )


def test_the_wheel_has_everything(wheel_names: set[str]) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in python_files(CORE)}
    wanted |= {f"spatial_{path.relative_to(ROOT).as_posix()}" for path in python_files(ROOT / "trainers")}
    wanted |= {
        f"spatial_{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "trainers").glob("recipes/*.toml")
    }
    wanted |= {
        f"spatial_{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "trainers").glob("review/page/*")
    }
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for path in (CORE / "starter").rglob("*")
        if path.suffix in {".safetensors", ".json", ".jinja", ".md"}
    }
    missing = sorted(wanted - wheel_names)
    assert not missing, f"The wheel lacks {missing}: add the package or its data to pyproject.toml."
