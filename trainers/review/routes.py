"""What the review page asks the server for: questions, pictures, and to keep or take back an answer."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from spatial_trainers.review.session import ReviewSession

_BODY_LIMIT = 100_000
_MOST_QUESTIONS = 16


def add_routes(app: Any, session: ReviewSession) -> None:
    """Add the routes below /review to a Starlette application.

    Bodies are JSON. A mistake of the caller's is answered with 400 and a sentence, an answer that cannot be
    written with 503: the page keeps it and tries again.
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response

    def call(action: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
        async def endpoint(request: Any) -> Any:
            try:
                if int(request.headers.get("content-length") or _BODY_LIMIT + 1) > _BODY_LIMIT:
                    raise ValueError("The request is too long.")
                body = json.loads(await request.body())
                return JSONResponse(await run_in_threadpool(action, body))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                return JSONResponse({"error": reason}, status_code=400)
            except sqlite3.Error as error:
                return JSONResponse({"error": f"Nothing can be written: {error}."}, status_code=503)

        return endpoint

    def state(annotator: str) -> dict[str, Any]:
        return {
            "annotator": annotator,
            "adjudicates": session.adjudicates(annotator),
            "progress": asdict(session.progress(annotator)),
        }

    def questions(body: dict[str, Any]) -> dict[str, Any]:
        annotator = session.join(body["annotator"])
        count = min(int(body["count"]), _MOST_QUESTIONS)
        found = session.questions(annotator, held=set(body["held"]), count=count)
        return {"questions": [question.to_dict() for question in found], **state(annotator)}

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        annotator = session.join(body["annotator"])
        session.answer(body["token"], body["answer"], key=body["key"], seconds=float(body["seconds"]))
        return state(annotator)

    def last(body: dict[str, Any]) -> dict[str, Any]:
        return {"key": session.last_key(body["annotator"])}

    def undo(body: dict[str, Any]) -> dict[str, Any]:
        annotator = session.join(body["annotator"])
        question = session.undo(annotator, body["key"])
        return {"question": question.to_dict() if question else None, **state(annotator)}

    async def picture(request: Any) -> Any:
        try:
            found = await run_in_threadpool(
                session.picture, request.path_params["token"], request.path_params["side"]
            )
        except ValueError:
            # Its reason names files of this machine and tells which picture is the chosen one.
            return JSONResponse({"error": "This picture cannot be shown."}, status_code=404)
        headers = {
            "cache-control": "private, max-age=86400, immutable",
            # A manifest from elsewhere may name a file that is an image and a page at once.
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'",
        }
        return Response(found.data, media_type=found.media_type, headers=headers)

    async def page_file(request: Any) -> Any:
        media_types = {"review.js": "text/javascript", "zoom.js": "text/javascript"}
        name = request.path_params["name"]
        if name not in media_types:
            return JSONResponse({"error": "There is nothing here."}, status_code=404)
        text = (files("spatial_trainers.review") / "page" / name).read_text(encoding="utf-8")
        return Response(text, media_type=media_types[name], headers={"cache-control": "no-cache"})

    for name, action in (("questions", questions), ("answer", answer), ("last", last), ("undo", undo)):
        app.add_route(f"/review/{name}", call(action), methods=["POST"])
    app.add_route("/review/picture/{token}/{side}", picture, methods=["GET"])
    app.add_route("/review/page/{name}", page_file, methods=["GET"])
