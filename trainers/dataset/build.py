"""`spatial build-pairs`: from a recipe to a manifest of checked preference pairs.

What it does, stage by stage: write prompts and their perturbed twins; draw both; let a scorer judge single
relations if one is asked; look at all pairs together (near duplicates, repeated prompts, what splits share);
take as many as are wanted, drawing more where too few passed; measure distributions and probes.

Every stage works through shards. A shard depends on the recipe and its own place alone and is written by a
rename, so any number of processes gives the same manifest, and a killed build goes on where it stopped.

Left out on purpose: people. `spatial review` shows the manifest to them.
"""

from __future__ import annotations

import errno
import gc
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from spatial_core.atomic_files import write_text
from spatial_trainers.dataset.assembly import Assembly, assemble, write_assembly
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.card import write_card
from spatial_trainers.dataset.checks import judge_pair
from spatial_trainers.dataset.distributions import Distributions, plot
from spatial_trainers.dataset.drafts import Failure, PromptSource
from spatial_trainers.dataset.shards import BuildFolder, Shard, Stage
from spatial_trainers.pairs.data import read_manifest
from spatial_trainers.pairs.probes import probe_pairs
from spatial_trainers.pairs.records import SIDES, SPLITS, image_of, iter_records

Work = Callable[[Shard], None]

_PROBE_TRAIN, _PROBE_TEST = 20_000, 20_000
"""With 4,000 held-out pairs, one set in thirty would miss the bar by chance alone."""


@dataclass(frozen=True)
class BuildResult:
    """What a build has come to.

    Attributes:
        manifest: Its manifest.
        sha256: Of the manifest.
        counts: Accepted pairs of each split.
        rejected: Pairs that a check set aside; rejected.jsonl has the reasons.
        failures: Pairs that could not be drawn; failures.jsonl has the reasons.
        seconds: That this run took; less than the whole where it went on with an earlier one.
        drawn: Pairs that this run drew.
    """

    manifest: Path
    sha256: str
    counts: Mapping[str, int]
    rejected: int
    failures: int
    seconds: float
    drawn: int


def build_pairs(recipe: BuildRecipe) -> BuildResult | None:
    """Build the recipe's pairs, going on with what its folder holds; None on processes other than the first.

    Raises:
        ValueError: If the folder holds another build, a model cannot be loaded, or too few pairs pass.
        OSError: If the disk is full; what is done stays, and the same command goes on.
    """
    began = time.perf_counter()
    workers = _Workers.of_this_launch()
    folder = BuildFolder(recipe.output)
    if workers.rank == 0:
        folder.claim(recipe.facts())
    workers.wait()
    try:
        shards, assembly, drawn = _draw_until_enough(recipe, folder, workers)
        if workers.rank:
            return None
        sha256 = write_assembly(folder, shards, recipe, assembly)
        _report(folder, recipe, assembly, sha256)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                f"No space is left for {folder.path}. Nothing is lost: make room and give the same "
                "command again."
            ) from error
        raise
    return BuildResult(
        manifest=folder.path / "manifest.jsonl",
        sha256=sha256,
        counts=assembly.counts(),
        rejected=len(assembly.faults),
        failures=len(assembly.failures),
        seconds=time.perf_counter() - began,
        drawn=drawn,
    )


def _report(folder: BuildFolder, recipe: BuildRecipe, assembly: Assembly, sha256: str) -> None:
    """Write what the dataset is made of: report.json, README.md and, with matplotlib, distributions.png."""
    manifest = folder.path / "manifest.jsonl"
    distributions = Distributions.of(record for _, record in iter_records(manifest))
    probes: list[dict[str, Any]] = []
    if recipe.checks.probes and (recipe.splits.test or recipe.splits.validation):
        # As many as the probes use; whole graphs of 80,000 pairs would take gigabytes.
        most = {"train": _PROBE_TRAIN + _PROBE_TEST, "validation": _PROBE_TEST, "test": _PROBE_TEST}
        pairs = read_manifest(manifest, most=most)
        found = probe_pairs(pairs, train=_PROBE_TRAIN, test=_PROBE_TEST, seed=recipe.seed)
        probes = [probe.to_dict() for probe in found]
    reasons = assembly.reasons()
    images = sum(path.stat().st_size for path in (folder.path / "images").rglob("*.png"))
    sizes = {"images": images, "manifest": manifest.stat().st_size}
    report = {
        "sha256": sha256,
        "bytes": sizes,
        "distributions": distributions.to_dict(),
        "reasons": reasons,
        "probes": probes,
    }
    write_text(folder.path / "report.json", json.dumps(report, indent=2) + "\n")
    card = write_card(recipe, distributions, sha256=sha256, sizes=sizes, reasons=reasons, probes=probes)
    write_text(folder.path / "README.md", card)
    try:
        plot(distributions, folder.path / "distributions.png")
    except ImportError:
        print("No plot of the distributions: pip install 'spatial-diffusion[plots]'.")


def _draw_until_enough(
    recipe: BuildRecipe, folder: BuildFolder, workers: _Workers
) -> tuple[dict[str, list[Shard]], Assembly, int]:
    """Draw until each split has what is wanted; return all shards, and how many pairs were drawn now."""
    wanted = recipe.wanted()
    missing = dict(wanted)
    shards: dict[str, list[Shard]] = {split: [] for split in SPLITS}
    drawn = 0
    while True:
        # The next numbers are the same after a kill: they follow from what the shards before came to.
        new = [
            s for split in SPLITS for s in _next_shards(split, shards[split], missing[split], recipe.shard)
        ]
        for shard in new:
            shards[shard.split].append(shard)
        drawn += _draw_shards(recipe, folder, new, workers)
        assembly = assemble(folder, shards, recipe)
        missing = {split: wanted[split] - count for split, count in assembly.counts().items()}
        if not any(missing.values()):
            return shards, assembly, drawn
        for split in SPLITS:
            tried = sum(shard.count for shard in shards[split])
            if missing[split] and tried + missing[split] > recipe.oversample * wanted[split]:
                write_assembly(folder, shards, recipe, assembly)
                raise ValueError(_too_few(folder, assembly, split, tried, wanted[split]))


def _next_shards(split: str, before: Sequence[Shard], missing: int, size: int) -> list[Shard]:
    first, index = sum(shard.count for shard in before), len(before)
    return [
        Shard(split, index + i, first + start, min(size, missing - start))
        for i, start in enumerate(range(0, missing, size))
    ]


def _too_few(folder: BuildFolder, assembly: Assembly, split: str, tried: int, wanted: int) -> str:
    reasons = [*(f["reason"] for f in assembly.failures), *(r for rs in assembly.faults.values() for r in rs)]
    example = f" The first reason: {reasons[0]}." if reasons else ""
    return (
        f"Of {tried} pairs of the split '{split}' only {assembly.counts()[split]} passed; {wanted} are "
        f"wanted.{example} rejected.jsonl and failures.jsonl in {folder.path} have them all, manifest.jsonl "
        "has what passed. Ask for fewer pairs, loosen a check, or raise 'oversample'."
    )


# --- stages ---


def _draw_shards(recipe: BuildRecipe, folder: BuildFolder, shards: Sequence[Shard], workers: _Workers) -> int:
    """Take the shards through every stage; return how many pairs were drawn now."""
    damaged = {s for s in workers.share(shards) if folder.has("shards", s) and folder.drop_damaged(s)}
    if damaged:
        print(f"{len(damaged)} shards of pictures were damaged and are drawn again.")
    todo = [s for s in shards if not folder.has("shards", s)]
    if recipe.images.generator == "renderer":
        _run_stage("shards", "rendering", recipe, folder, shards, workers)
    else:
        _run_stage("prompts", "writing prompts", recipe, folder, shards, workers)
        _run_stage("shards", "drawing", recipe, folder, shards, workers)
    if recipe.checks.scorer:
        _run_stage("verdicts", "judging", recipe, folder, shards, workers)
    return sum(shard.count for shard in todo)


def _run_stage(
    stage: Stage,
    doing: str,
    recipe: BuildRecipe,
    folder: BuildFolder,
    shards: Sequence[Shard],
    workers: _Workers,
) -> None:
    missing = [shard for shard in workers.share(shards) if not folder.has(stage, shard)]
    pairs = [sum(shard.count for shard in some) for some in (workers.share(shards), missing)]
    bar = tqdm(
        total=pairs[0],
        initial=pairs[0] - pairs[1],
        desc=doing,
        unit="pair",
        smoothing=0.05,
        disable=workers.rank > 0,
    )
    with bar:
        if stage == "shards" and recipe.processes > 1 and len(missing) > 1 and workers.count == 1:
            _render_in_processes(recipe, folder, missing, bar)
        elif missing:
            with _one_thread():
                work = _worker(stage, recipe, folder)
                for shard in missing:
                    work(shard)
                    bar.update(shard.count)
    workers.wait()


def _worker(stage: Stage, recipe: BuildRecipe, folder: BuildFolder) -> Work:
    """Return what does a stage for one shard, its models loaded."""
    if stage == "shards":
        return _drawing(recipe, folder)
    if stage == "prompts":
        return _writing(recipe, folder)
    return _judging(recipe, folder)


def _writing(recipe: BuildRecipe, folder: BuildFolder) -> Work:
    source = prompt_source(recipe)

    def work(shard: Shard) -> None:
        rows = source.write(shard.split, shard.numbers)
        folder.write(
            "prompts",
            shard,
            ({"failure": asdict(r)} if isinstance(r, Failure) else {"record": r} for r in rows),
        )

    return work


def prompt_source(recipe: BuildRecipe) -> PromptSource:
    """Return what writes the recipe's prompts, its models loaded.

    Raises:
        ValueError: If a file or model cannot be read.
    """
    if recipe.prompts.source == "list":
        from spatial_trainers.dataset.prompt_list import ListSource

        return ListSource(recipe)
    if recipe.prompts.source == "grammar":
        from spatial_trainers.dataset.grammar import GrammarSource

        return GrammarSource(recipe)
    if recipe.prompts.source == "language_model":
        from spatial_trainers.dataset.language_model import LanguageModelSource

        return LanguageModelSource.load(recipe)
    from spatial_trainers.dataset.scene_source import SceneSource

    return SceneSource(recipe)


def _drawing(recipe: BuildRecipe, folder: BuildFolder) -> Work:
    if recipe.images.generator == "renderer":
        from spatial_trainers.dataset.scene_source import SceneSource

        scenes = SceneSource(recipe)
        return lambda shard: folder.write_drawn(shard, scenes.draw(shard.split, shard.numbers), recipe.checks)
    from spatial_trainers.dataset.pipeline_source import PipelinePictures

    pictures = PipelinePictures.load(recipe)

    def work(shard: Shard) -> None:
        rows = folder.rows("prompts", shard)
        prompts = [row["record"] if "record" in row else Failure(**row["failure"]) for row in rows]
        folder.write_drawn(shard, pictures.draw(prompts), recipe.checks)

    return work


def _judging(recipe: BuildRecipe, folder: BuildFolder) -> Work:
    from accelerate import PartialState

    from spatial_core.scorers.base import SpatialScorer

    checks = recipe.checks
    scorer = SpatialScorer.from_pretrained(
        checks.scorer,
        scorer=checks.scorer_kind,
        device=PartialState().device,
        dtype=getattr(torch, checks.scorer_dtype),
    ).eval()

    def work(shard: Shard) -> None:
        verdicts: list[list[list[str]] | None] = []
        for row in folder.rows("shards", shard):
            record = row.get("record")
            # What is sorted out already needs no judge.
            if record is None or record["checks"]["faults"]:
                verdicts.append(None)
                continue
            pictures = [image_of(record, side, folder.path).open() for side in SIDES]
            verdicts.append(judge_pair(scorer, record, pictures[0], pictures[1]))
        folder.write("verdicts", shard, verdicts)

    return work


# --- processes ---


@dataclass(frozen=True)
class _Workers:
    """The processes of this launch: one, or those that `accelerate launch` has started."""

    rank: int
    count: int

    @classmethod
    def of_this_launch(cls) -> _Workers:
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(0, 1)
        from accelerate import PartialState

        state = PartialState()
        return cls(state.process_index, state.num_processes)

    def share(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return the shards that are this process's to make."""
        return shards[self.rank :: self.count]

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def _render_in_processes(recipe: BuildRecipe, folder: BuildFolder, shards: Sequence[Shard], bar: Any) -> None:
    # A forked process would inherit torch's thread pool in an unusable state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(recipe.processes, mp_context=context, initializer=_start_renderer) as pool:
        jobs = {pool.submit(_render, recipe, folder.path, shard): shard for shard in shards}
        try:
            for job in as_completed(jobs):
                job.result()
                bar.update(jobs[job].count)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_renderer() -> None:
    torch.set_num_threads(1)
    # What importing left, torch's million objects, need not be walked at every collection: 9 % of the time.
    gc.freeze()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        # A parent that is killed does not tell its pool, which would go on beside the build that resumes.
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _render(recipe: BuildRecipe, path: Path, shard: Shard) -> None:
    _drawing(recipe, BuildFolder(path))(shard)


class _one_thread:  # noqa: N801
    """Sums are taken in an order that depends on the number of threads; a build's pictures must not."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *_: object) -> None:
        torch.set_num_threads(self._before)
