"""What holds for every node, read from the files: no ComfyUI is needed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NODES = ROOT / "nodes"
FILES = sorted(NODES.glob("*.py"))

# For ever: workflows that people have saved name nodes by these.
IDS = {
    "SpatialScoreLoader",
    "SpatialScoreFromCLIP",
    "SpatialScore",
    "SpatialBestOfN",
    "SpatialSelector",
    "SpatialScoreGate",
    "SpatialPromptRelations",
    "SpatialRelationCheck",
    "SpatialLoraLoader",
    "SpatialStarterLoader",
    "SpatialSaveImage",
}
# The files that load models, memory and LoRA.
KNOW_COMFY = {
    "managed_scorer.py",
    "best_of_n.py",
    "lora_loader.py",
    "starter_loader.py",
    "clip_backbone.py",
    "score_from_clip.py",
}
EVERY_NODE = {"comfy_api", "comfy_execution", "folder_paths", "spatial_core", "torch", "numpy", "PIL"}
# What ComfyUI has loaded anyway when it comes to custom nodes.
AT_THE_TOP = EVERY_NODE - {"spatial_core"}
NO_MATHS = {"einsum", "matmul", "softmax", "exp", "log", "randn", "interpolate", "sigmoid"}


def node_classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in FILES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(ast.unparse(b) == "io.ComfyNode" for b in node.bases):
                yield path, node


CLASSES = [pytest.param(path, node, id=node.name) for path, node in node_classes()]


def schema_of(node: ast.ClassDef) -> dict[str, ast.expr]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "io.Schema":
            return {keyword.arg or "": keyword.value for keyword in call.keywords}
    raise AssertionError(f"{node.name} has no schema")


def imported(path: Path, *, top: bool) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nodes_import_only_what_nodes_may(path: Path) -> None:
    allowed = EVERY_NODE | ({"comfy", "comfy_extras", "transformers"} if path.name in KNOW_COMFY else set())
    wrong = imported(path, top=False) - allowed
    assert not wrong, (
        f"nodes/{path.name} imports {sorted(wrong)}: nodes translate; put the work in spatial_core."
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_start_imports_nothing_heavy(path: Path) -> None:
    allowed = AT_THE_TOP | ({"comfy", "comfy_extras"} if path.name in KNOW_COMFY else set())
    wrong = imported(path, top=True) - allowed
    assert not wrong, f"nodes/{path.name} imports {sorted(wrong)} at the top; do it inside execute."


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_maths_and_nothing_that_only_posix_has(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            assert not (owner.startswith("torch") and node.func.attr in NO_MATHS), (
                f"nodes/{path.name}:{node.lineno}: maths belongs to spatial_core."
            )
            assert not (
                owner == "os" and node.func.attr in {"symlink", "fork", "chmod", "getuid", "mkfifo"}
            ), f"nodes/{path.name}:{node.lineno}: Windows has no os.{node.func.attr}."


def test_ids_are_those_of_saved_workflows() -> None:
    found = {ast.literal_eval(schema_of(node)["node_id"]) for _, node in node_classes()}
    assert found <= IDS, f"{sorted(found - IDS)} are new: add them to IDS; ids are never changed or removed."


@pytest.mark.parametrize(("path", "node"), CLASSES)
def test_schema_is_complete(path: Path, node: ast.ClassDef) -> None:
    schema = schema_of(node)
    # Scanners read the id from the file, so it must be written out, and be the name of the class.
    assert isinstance(schema["node_id"], ast.Constant) and schema["node_id"].value == node.name
    for key in ("display_name", "category", "description", "search_aliases"):
        assert key in schema, f"{node.name} has no {key}"
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            if call.func.attr in ("Input", "Output"):
                given = {keyword.arg for keyword in call.keywords}
                assert "tooltip" in given, (
                    f"{path.name}:{call.lineno}: {ast.unparse(call)[:60]} has no tooltip"
                )


@pytest.mark.parametrize(("path", "node"), CLASSES)
def test_execute_takes_what_the_schema_names(path: Path, node: ast.ClassDef) -> None:
    inputs = [
        ast.literal_eval(call.args[0])
        for call in schema_of(node)["inputs"].elts  # type: ignore[attr-defined]
    ]
    (execute,) = (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "execute")
    assert {a.arg for a in execute.args.args[1:]} == set(inputs)


@pytest.mark.parametrize(("path", "node"), CLASSES)
def test_every_node_has_a_help_page(path: Path, node: ast.ClassDef) -> None:
    page = NODES / "web" / "docs" / f"{node.name}.md"
    assert page.is_file(), f"write {page.relative_to(ROOT)}"
    text = page.read_text("utf-8")
    names = [
        ast.literal_eval(call.args[0])
        for part in ("inputs", "outputs")
        for call in schema_of(node)[part].elts  # type: ignore[attr-defined]
        if call.args
    ]
    missing = [name for name in names if f"`{name}`" not in text]
    assert not missing, f"{page.name} says nothing about {missing}"
    assert not re.search(r"\b(TODO|TBD)\b", text)


def test_the_pack_says_which_comfyui_it_needs() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    floor = re.search(r'requires-comfyui = ">=(\d+)\.(\d+)', pyproject)
    oldest = re.search(r"OLDEST_COMFYUI = \((\d+), (\d+)\)", (ROOT / "__init__.py").read_text("utf-8"))
    assert floor and oldest and floor.groups() == oldest.groups()


def test_a_comfyui_that_is_too_old_gets_a_line_not_a_trace(tmp_path: Path) -> None:
    (tmp_path / "comfy_api").mkdir()
    (tmp_path / "comfy_api" / "__init__.py").touch()
    (tmp_path / "comfyui_version.py").write_text('__version__ = "0.18.5"\n', "utf-8")
    script = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"names = runpy.run_path({str(ROOT / '__init__.py')!r})\n"
        "print(names['NODE_CLASS_MAPPINGS'], 'comfy_entrypoint' in names)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{} False"
    assert "needs ComfyUI 0.19 or newer; this is 0.18.5" in done.stderr
