"""`spatial scenes`: procedural scenes with prompts and exact ground truth, and what they are made of."""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_core.commands import scene_kinds, scene_margins
from spatial_core.commands.scoring import positive_int
from spatial_core.commands.table import percent

if TYPE_CHECKING:
    from PIL import Image

    from spatial_core.scenes.captions import Caption
    from spatial_core.scenes.pairs import PairBatch
    from spatial_core.scenes.prompted import PromptedScene
    from spatial_core.scenes.renderer import Rendering
    from spatial_core.scenes.scene import Scene
    from spatial_core.scenes.splits import Split

HELP = "render procedural table-top scenes with prompts, boxes and exact relations"

CHUNK = 32
"""Pictures, or pairs, that are rendered together."""


@dataclass(frozen=True)
class _Wish:
    """What is rendered, and where to; small enough to be sent to another process."""

    folder: str
    pairs: bool
    num_relations: int | None
    num_edits: tuple[int, ...]
    split: Split
    size: int
    device: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    render = verbs.add_parser(
        "render",
        help="write pictures, and a JSONL file that says what is in them",
        description="Write PNG files to DIR/images, and DIR/scenes.jsonl: one object a picture, with its "
        "prompt, the prompt's graph, and every object's box, distance and visible share. With --pairs "
        "each picture has a twin in which some relations of its prompt are false, and DIR/pairs.jsonl is a "
        "manifest to train a reward model on.",
    )
    render.add_argument(
        "--out", required=True, metavar="DIR", help="folder to write to; made if it does not exist"
    )
    render.add_argument(
        "--count", type=positive_int, default=16, metavar="N", help="pictures, or pairs (default: 16)"
    )
    render.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="picture i comes from seed S + i (default: %(default)s)",
    )
    render.add_argument("--pairs", action="store_true", help="render each scene's perturbed twin as well")
    render.add_argument(
        "--size", type=positive_int, default=128, metavar="PIXELS", help="default: %(default)s"
    )
    render.add_argument(
        "--num-relations",
        type=positive_int,
        metavar="N",
        help="relations in a prompt (default: drawn as in long real prompts, 3 to 10)",
    )
    render.add_argument(
        "--num-edits",
        type=positive_int,
        metavar="N",
        help="what differs between twins: 1, 2 or 3 (default: drawn); needs --pairs",
    )
    render.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="train",
        help="which combinations of objects and relations the prompts may state (default: %(default)s)",
    )
    render.add_argument("--device", default="cpu", metavar="DEVICE", help="default: %(default)s")
    render.add_argument(
        "--processes",
        type=positive_int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="that render on the CPU; the pictures do not depend on it (default: one a core)",
    )
    render.set_defaults(run=run)
    for name, verb in (("kinds", scene_kinds), ("margins", scene_margins)):
        child = verbs.add_parser(name, help=verb.HELP, description=verb.HELP)
        verb.add_arguments(child)
        child.set_defaults(run=verb.run)


def run(args: argparse.Namespace) -> None:
    """Render and write.

    Raises:
        ValueError: If --num-edits comes without --pairs, or no scene can be found for what was asked.
    """
    from spatial_core.atomic_files import write_text

    if args.num_edits and not args.pairs:
        raise ValueError("--num-edits is about twins; add --pairs to render them.")
    began = time.perf_counter()
    folder = Path(args.out)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    wish = _Wish(
        folder=args.out,
        pairs=args.pairs,
        num_relations=args.num_relations,
        num_edits=(args.num_edits,)
        if args.num_edits
        else tuple(range(1, min(3, args.num_relations or 3) + 1)),
        split=args.split,
        size=args.size,
        device=args.device,
    )
    last = args.seed + args.count
    chunks = [range(start, min(start + CHUNK, last)) for start in range(args.seed, last, CHUNK)]
    processes = min(args.processes, len(chunks)) if args.device == "cpu" else 1
    try:
        if processes > 1:
            # A forked process would inherit torch's thread pool in an unusable state.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(processes, mp_context=context, initializer=_use_one_thread) as pool:
                done = list(pool.map(_render, [wish] * len(chunks), chunks))
        else:
            done = [_render(wish, seeds) for seeds in chunks]
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    manifest = folder / ("pairs.jsonl" if args.pairs else "scenes.jsonl")
    # Last: it names every picture with its hash.
    write_text(manifest, "".join(json.dumps(record) + "\n" for records, _ in done for record in records))
    seconds, tried = time.perf_counter() - began, sum(tried for _, tried in done)
    what, pictures = ("pairs", 2 * args.count) if args.pairs else ("pictures", args.count)
    print(f"{args.count} {what} in {folder}, described in {manifest.name}.")
    print(
        f"{pictures / seconds:.1f} accepted pictures a second over {seconds:.1f} s, in {processes} "
        f"process{'es' * (processes > 1)}; {percent(args.count / tried)} of {tried} {what} accepted."
    )


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _render(wish: _Wish, seeds: range) -> tuple[list[dict[str, Any]], int]:
    """Write the pictures of `seeds`; return their records, and how many pictures or pairs were tried."""
    folder = Path(wish.folder)
    if wish.pairs:
        from spatial_core.scenes.pairs import sample_pairs

        batch = sample_pairs(
            seeds,
            num_edits=wish.num_edits,
            num_relations=wish.num_relations,
            split=wish.split,
            size=wish.size,
            device=wish.device,
        )
        return [_pair_record(batch, row, folder, wish.split) for row in range(len(seeds))], batch.num_tried
    from spatial_core.scenes.prompted import sample_prompted

    found = sample_prompted(
        seeds, num_relations=wish.num_relations, split=wish.split, size=wish.size, device=wish.device
    )
    return [_scene_record(prompted, folder, wish.split) for prompted in found.scenes], found.num_tried


def _scene_record(prompted: PromptedScene, folder: Path, split: str) -> dict[str, Any]:
    name = _name(prompted.seed)
    path, digest = _write(prompted.rendering, 0, folder, name)
    graph = prompted.caption.graph
    return {
        "id": name,
        "image": path,
        "sha256": digest,
        "prompt": graph.text,
        "graph": graph.to_dict(),
        "objects": _objects(prompted.scene, prompted.caption, prompted.rendering, 0),
        "seed": prompted.seed,
        "split": split,
    }


def _pair_record(batch: PairBatch, row: int, folder: Path, split: str) -> dict[str, Any]:
    from spatial_core.scenes.pair_records import pair_record

    pair = batch.pairs[row]
    name = _name(pair.seed)
    chosen, sha256_chosen = _write(batch.rendering, row, folder, name)
    rejected, sha256_rejected = _write(batch.rendering_rejected, row, folder, f"{name}_rejected")
    return pair_record(pair) | {
        "id": name,
        "image_chosen": chosen,
        "image_rejected": rejected,
        "sha256_chosen": sha256_chosen,
        "sha256_rejected": sha256_rejected,
        "split": split,
    }


def _name(seed: int) -> str:
    return f"{seed:06d}"


def _write(rendering: Rendering, row: int, folder: Path, name: str) -> tuple[str, str]:
    """Write one picture; return its path as seen from `folder`, and the file's hash."""
    from spatial_core.images import to_pil

    image: Image.Image = to_pil(rendering.images[row])
    path = folder / "images" / f"{name}.png"
    image.save(path)
    return f"images/{name}.png", hashlib.sha256(path.read_bytes()).hexdigest()


def _objects(scene: Scene, caption: Caption, rendering: Rendering, row: int) -> list[dict[str, Any]]:
    """Return what can be seen, in the order of the scene, furniture and unnamed clutter included."""
    entity_of = {thing: entity for entity, thing in enumerate(caption.objects)}
    return [
        {
            "kind": thing.kind,
            "color": thing.color,
            "entity": entity_of.get(index),
            "box": [round(value, 2) for value in rendering.boxes[row, index].tolist()],
            "visible": round(rendering.visible_fraction[row, index].item(), 4),
            "distance": round(rendering.distances[row, index].item(), 4),
        }
        for index, thing in enumerate(scene.objects)
        if rendering.visible_fraction[row, index] > 0
    ]
