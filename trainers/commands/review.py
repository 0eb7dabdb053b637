"""`spatial review`: people look at preference pairs, and their verdicts go into the manifest."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

HELP = "people say in a browser which picture shows a pair's prompt; agreement; verdicts into the manifest"
_VOTES = "2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Serve a page on which people say which picture shows a pair's prompt ; or print how far they are "
        "and how well they agree (--figures); or write their verdicts into the manifest's key 'review' "
        "(--export). Answers are kept in a SQLite file beside the manifest; killing the server loses none."
    )
    parser.add_argument("pairs", help="JSONL manifest of pair records")
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--figures", action="store_true", help="print progress and agreement, and stop")
    actions.add_argument("--export", action="store_true", help="write the verdicts into PAIRS, and stop")
    parser.add_argument("--database", metavar="FILE", help="of the answers (default: PAIRS.review.sqlite)")
    parser.add_argument(
        "--votes",
        type=int,
        metavar="N",
        help="people who judge each pair (default: as when it was last served; 2 at first)",
    )
    parser.add_argument(
        "--gold", metavar="PAIRS", help="manifest of pairs that are surely right, mixed in to check reviewers"
    )
    parser.add_argument(
        "--gold-share", type=float, default=0.05, metavar="SHARE", help="of gold questions (default: 0.05)"
    )
    parser.add_argument(
        "--adjudicator",
        dest="adjudicators",
        action="append",
        default=[],
        metavar="NAME",
        help="is shown the pairs that others disagree about, and decides; may be repeated",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave this reviewer's answers out; may be repeated",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address; others than loopback need the token that is printed",
    )
    parser.add_argument("--port", type=int, default=7860, help="port, 0 for any (default: %(default)s)")
    parser.add_argument("--output", metavar="FILE", help="of --export, beside PAIRS (default: over it)")
    parser.add_argument("--json", action="store_true", help="of --figures: print JSON")


def run(args: argparse.Namespace) -> None:
    """Serve, print figures or export."""
    from spatial_trainers.review.app import need_gradio, serve
    from spatial_trainers.review.export import export_review
    from spatial_trainers.review.figures import review_figures
    from spatial_trainers.review.session import ReviewSession, ReviewSettings
    from spatial_trainers.review.store import Store

    serving = not (args.figures or args.export)
    if serving:
        need_gradio()
    manifest = Path(args.pairs)
    if not manifest.is_file():
        raise ValueError(f"There is no manifest {manifest}. Name a JSONL file of pair records.")
    store = Store(args.database or manifest.with_name(f"{manifest.name}.review.sqlite"), create=serving)
    settings = ReviewSettings(
        votes_wanted=int(store.fact("votes_wanted", _VOTES)) if args.votes is None else args.votes,
        gold=Path(args.gold) if args.gold else None,
        gold_share=args.gold_share,
        adjudicators=tuple(args.adjudicators),
        without=tuple(args.without),
    )
    session = ReviewSession(manifest, store, settings)
    if args.figures:
        figures = review_figures(session)
        print(json.dumps(figures.to_dict()) if args.json else figures.to_markdown().rstrip())
    elif args.export:
        output = Path(args.output or manifest)
        if output.resolve().parent != manifest.resolve().parent:
            raise ValueError(f"--output must lie beside {manifest}, whose images it names; got {output}.")
        counts = export_review(session, manifest, output)
        print(f"{output}: " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    else:
        store.set_fact("votes_wanted", str(settings.votes_wanted))
        serve(session, review_id=store.review_id, host=args.host, port=args.port, link_token=store.link_token)
