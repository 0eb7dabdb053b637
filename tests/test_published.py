"""What the README and its like say is run: every example, every command, every file they name."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from PIL import Image

from spatial_core import cli

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "spatial_core/starter/demo"
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
# What a test cannot do: install, download, build. Their arguments are checked below.
NOT_RUN = ("pip", "hf", "make", ".ci/run", "accelerate")


def blocks(language: str, document: str = "README.md") -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shell_lines(document: str = "README.md") -> Iterator[list[str]]:
    for block in blocks("shell", document):
        for line in block.splitlines():
            if words := shlex.split(line, comments=True):
                yield words


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_folders: dict[str, Path]) -> Path:
    """A folder like a reader's: the demo, pictures of their own, and models downloaded where the README says.

    The downloads are tiny models of the same classes, so that the reader's commands run as they stand.
    """
    from scorers.test_detection import depth, owl

    copytree(DEMO, tmp_path / DEMO.relative_to(ROOT))
    models = tmp_path / "models"
    copytree(tiny_folders["qwen2_5_vl"], models / "Qwen2.5-VL-3B-Instruct")
    owl().save_pretrained(models / "owlv2")
    depth().save_pretrained(models / "depth")
    (tmp_path / "my-pictures").mkdir()
    for path in (
        tmp_path / "my-pictures" / "one.png",
        tmp_path / "my-pictures" / "two.png",
        tmp_path / "picture.png",
    ):
        Image.effect_mandelbrot((96, 64), (-2, -1, 1, 1), 20).convert("RGB").save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("example", range(len(blocks("python"))))
def test_python_examples_run(example: int, reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = reader / "example.py"
    script.write_text(blocks("python")[example], encoding="utf-8")
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


def has_its_own_test(words: list[str]) -> bool:
    """Return whether a line serves until it is stopped, takes long, or goes on from the line before it."""
    long = ("serve-reward", "review", "plot-run", "train-lora", "train-rl")
    # At FLUX's own size even a tiny model takes minutes on a CPU.
    return "models/FLUX.1-dev" in words or (words[1] in long and "--check" not in words)


EXAMPLES = [words for words in shell_lines() if words[0] == "spatial"]


@pytest.mark.parametrize(
    "words", [w for w in EXAMPLES if has_its_own_test(w)], ids=lambda words: " ".join(words[:2])
)
def test_longer_shell_examples_are_understood(words: list[str]) -> None:
    assert cli._parser(cli._all_verbs()).parse_args(words[1:]).run  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    "words", [w for w in EXAMPLES if not has_its_own_test(w)], ids=lambda words: " ".join(words[:2])
)
def test_shell_examples_run(words: list[str], reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words[1:]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out
    for option in ("--sheet", "--json", "--out"):
        if option in words and not words[words.index(option) + 1].startswith("-"):
            made = Path(words[words.index(option) + 1])
            assert option == "--json" or made.exists()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_other_shell_lines_are_known(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in shell_lines(document):
        if words[0] == "spatial":
            continue
        assert words[0] in NOT_RUN, f"{document}: nobody checks `{' '.join(words)}`; teach this test to."
        if words[0] == "make":
            assert words[1] in targets, f"{document}: the Makefile has no target {words[1]}"
        if words[0].startswith("."):
            assert (ROOT / words[0]).is_file()


def test_what_is_downloaded_is_what_is_used() -> None:
    lines = list(shell_lines())
    folders = {words[words.index("--local-dir") + 1] for words in lines if words[0] == "hf"}
    used = {words[words.index(o) + 1] for words in lines for o in ("--model", "--depth") if o in words}
    assert folders == used


def test_every_verb_of_the_table_exists(capsys: pytest.CaptureFixture[str]) -> None:
    table = re.findall(
        r"^\| `spatial ([a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = re.findall(r"^    ([a-z-]+)\s", capsys.readouterr().out, re.MULTILINE)
    assert sorted(table) == sorted(listed)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_pictures_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), f"{document} links to {target}"


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_path_of_one_machine() -> None:
    places = "|".join(("root", "work", "home", "Users", "mnt"))
    pattern = re.compile(rf"(?<![\w./:-])/(?:{places})/[\w.-]+".encode())
    for path in tracked_files():
        found = pattern.search(path.read_bytes())
        assert not found, f"{path.relative_to(ROOT)} names {found[0].decode()}: use a relative path"
