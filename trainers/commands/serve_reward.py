"""`spatial serve-reward`: score for a training that runs on another machine."""

from __future__ import annotations

import argparse
import os

HELP = "serve a scorer over HTTP, as the reward of a training elsewhere"
TOKEN_VARIABLE = "SPATIAL_REWARD_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--scorer",
        default="starter",
        metavar="NAME",
        help="'starter' (bundled), a folder or judge file, or a Hugging Face id (default: %(default)s)",
    )
    source.add_argument("--function", metavar="MODULE:NAME", help="a reward in Python, in place of a scorer")
    parser.add_argument("--kind", default="auto", choices=("auto", "reward", "vqa", "geometric"))
    parser.add_argument(
        "--value",
        default="mean",
        choices=("mean", "satisfied"),
        help="what of a scorer's answer is served (default: %(default)s)",
    )
    parser.add_argument("--depth", default="", metavar="NAME", help="Depth Anything, with a geometric scorer")
    parser.add_argument(
        "--device",
        default="",
        metavar="DEVICE",
        help="cpu, cuda, cuda:1, mps (default: cuda where there is one)",
    )
    parser.add_argument("--dtype", default="", choices=("", "float32", "bfloat16", "float16"))
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="images judged at a time")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: %(default)s); beyond this machine clients must show the token "
        f"that the environment variable {TOKEN_VARIABLE} holds",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 for any free one (default: %(default)s)")
    parser.add_argument("--max-images", type=int, default=64, metavar="N", help="of one request")
    parser.add_argument("--max-megabytes", type=int, default=256, metavar="N", help="of one request")


def run(args: argparse.Namespace) -> None:
    """Load the scorer and serve until interrupted."""
    import torch

    from spatial_trainers.rewards.server import Limits, RewardServer, check_exposure
    from spatial_trainers.rewards.sums import RewardRecipe, load_reward

    token = os.environ.get(TOKEN_VARIABLE, "")
    check_exposure(args.host, token)
    recipe = RewardRecipe(
        scorer="" if args.function else args.scorer,
        function=args.function or "",
        kind=args.kind,
        value=args.value,
        depth=args.depth,
        dtype=args.dtype,
        batch_size=args.batch_size,
    )
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    (part,) = load_reward([recipe], device=device).parts
    limits = Limits(images=args.max_images, megabytes=args.max_megabytes)
    with RewardServer(part, host=args.host, port=args.port, token=token, limits=limits) as server:
        print(
            f"{part.name} at http://{args.host}:{server.server_port}, "
            f"{'with' if token else 'without'} a token; Ctrl-C ends it.",
            flush=True,
        )
        server.serve_forever()
