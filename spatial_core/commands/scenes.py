"""`spatial scenes render`: procedural scenes with prompts and exact ground truth."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_core.commands.scoring import positive_int

if TYPE_CHECKING:
    from PIL import Image

    from spatial_core.scenes.pairs import PairBatch, ScenePair
    from spatial_core.scenes.renderer import Rendering

HELP = "render procedural table-top scenes with prompts, boxes and exact relations"

CHUNK = 16


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
        help="what differs between twins: 1, 2 or 3 (default: drawn)",
    )
    render.add_argument(
        "--split",
        choices=("train", "validation", "test"),
        default="train",
        help="which combinations of objects and relations the prompts may state (default: %(default)s)",
    )
    render.add_argument("--device", default="cpu", metavar="DEVICE", help="default: %(default)s")
    render.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Render and write."""
    from spatial_core.atomic_files import write_text
    from spatial_core.scenes.pairs import sample_pairs

    folder = Path(args.out)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    edits: int | tuple[int, ...] = args.num_edits or tuple(range(1, min(3, args.num_relations or 3) + 1))
    tried, lines = 0, list[str]()
    for start in range(0, args.count, CHUNK):
        batch = sample_pairs(
            range(args.seed + start, args.seed + min(start + CHUNK, args.count)),
            num_edits=edits,
            num_relations=args.num_relations,
            split=args.split,
            size=args.size,
            device=args.device,
        )
        tried += batch.num_tried
        for row in range(len(batch.pairs)):
            record = _pair_record if args.pairs else _scene_record
            lines.append(json.dumps(record(batch, row, folder, args.split)) + "\n")
    manifest = folder / ("pairs.jsonl" if args.pairs else "scenes.jsonl")
    write_text(manifest, "".join(lines))
    print(f"{args.count} {'pairs' if args.pairs else 'pictures'} in {folder}, described in {manifest.name}.")


def _scene_record(batch: PairBatch, row: int, folder: Path, split: str) -> dict[str, Any]:
    pair = batch.pairs[row]
    name = _name(pair)
    path, _ = _write(batch.rendering, row, folder, name)
    return {
        "id": name,
        "image": path,
        "prompt": pair.graph.text,
        "graph": pair.graph.to_dict(),
        "objects": _objects(pair, batch.rendering, row),
        "seed": pair.seed,
        "split": split,
    }


def _pair_record(batch: PairBatch, row: int, folder: Path, split: str) -> dict[str, Any]:
    from spatial_core.scenes.renderer import RENDERER_VERSION

    pair = batch.pairs[row]
    name = _name(pair)
    chosen, sha256_chosen = _write(batch.rendering, row, folder, name)
    rejected, sha256_rejected = _write(batch.rendering_rejected, row, folder, f"{name}_rejected")
    before, after = pair.graph, pair.graph_rejected
    return {
        "id": name,
        "prompt": before.text,
        "prompt_rejected": after.text,
        "image_chosen": chosen,
        "image_rejected": rejected,
        "sha256_chosen": sha256_chosen,
        "sha256_rejected": sha256_rejected,
        "graph": before.to_dict(),
        "graph_rejected": after.to_dict(),
        "edits": [
            {
                "kind": edit.kind,
                "relation_index": i,
                "before": before.words(before.relations[i]),
                "after": after.words(after.relations[i]),
                "span": list(before.relations[i].span),
            }
            for edit in pair.edits
            for i in edit.relations
        ],
        "generator": f"spatial_core.scenes {RENDERER_VERSION}",
        "seed": pair.seed,
        "split": split,
        "licence": "CC0-1.0",
        "review": None,
    }


def _name(pair: ScenePair) -> str:
    return f"{pair.seed:06d}"


def _write(rendering: Rendering, row: int, folder: Path, name: str) -> tuple[str, str]:
    """Write one picture; return its path as seen from `folder`, and the file's hash."""
    from spatial_core.images import to_pil

    image: Image.Image = to_pil(rendering.images[row])
    path = folder / "images" / f"{name}.png"
    image.save(path)
    return f"images/{name}.png", hashlib.sha256(path.read_bytes()).hexdigest()


def _objects(pair: ScenePair, rendering: Rendering, row: int) -> list[dict[str, Any]]:
    """Return what can be seen, in the order of the scene, furniture and unnamed clutter included."""
    entity_of = {thing: entity for entity, thing in enumerate(pair.caption.objects)}
    return [
        {
            "kind": thing.kind,
            "color": thing.color,
            "entity": entity_of.get(index),
            "box": [round(value, 2) for value in rendering.boxes[row, index].tolist()],
            "visible": round(rendering.visible_fraction[row, index].item(), 4),
            "distance": round(rendering.distances[row, index].item(), 4),
        }
        for index, thing in enumerate(pair.scene.objects)
        if rendering.visible_fraction[row, index] > 0
    ]
