"""The review's web page: Gradio around a page of our own, which keys, loading ahead and crashes need.

A page that sends every answer through Gradio's queue would show the next pair only after the server has
answered. Ours holds the next pairs, decoded, and the answers that are not yet on disk.
"""

from __future__ import annotations

import json
import os
import socket
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from spatial_trainers.review.access import Access, is_loopback
from spatial_trainers.review.figures import review_figures
from spatial_trainers.review.routes import add_routes
from spatial_trainers.review.session import ReviewSession


def need_gradio() -> None:
    """Raise a `ValueError` that says how to install Gradio where it is missing."""
    if find_spec("gradio") is None:
        raise ValueError("The review page needs Gradio. Install it: pip install 'spatial-diffusion[review]'")


def build_app(session: ReviewSession, *, review_id: str, token: str | None = None) -> Any:
    """Return the ASGI application.

    Args:
        session: The review.
        review_id: Keeps what browsers remember of different reviews apart.
        token: Without which nobody is let in; None for a server that is bound to loopback.
    """
    # Gradio would ask a server of its maker's for its newest version.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio
    from fastapi import FastAPI

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_routes(app, session)
    page = files("spatial_trainers.review") / "page"
    with gradio.Blocks(title="Spatial review", analytics_enabled=False, fill_width=True) as blocks:
        with gradio.Tabs(elem_id="review-tabs"):
            with gradio.Tab("Review", id="review"):
                options = json.dumps({"reviewId": review_id})
                gradio.HTML(
                    "<div class='spatial-review'></div>",
                    elem_id="review-root",
                    apply_default_css=False,
                    js_on_load="import('/review/page/review.js').then((page) => page.start("
                    f"element.querySelector('.spatial-review'), {options}));",
                )
            with gradio.Tab("Figures", id="figures") as tab:
                figures = gradio.Markdown(elem_id="review-figures")
                refresh = gradio.Button("Refresh", size="sm", elem_id="review-refresh")
        for event in (tab.select, refresh.click):
            event(
                lambda: review_figures(session).to_markdown(),
                outputs=figures,
                queue=False,
                api_visibility="private",
            )
    # Fonts of the system: the default theme would fetch its own from elsewhere.
    theme = gradio.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"]
    )
    gradio.mount_gradio_app(
        app,
        blocks,
        "/",
        theme=theme,
        css=(page / "review.css").read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
    )
    return Access(app, token=token)


def serve(session: ReviewSession, *, review_id: str, host: str, port: int, link_token: str) -> None:
    """Serve the page until interrupted.

    Args:
        session: The review.
        review_id: See `build_app`.
        host: Address to bind to; the page asks for a token unless it is a loopback address.
        port: Port to bind to, 0 for any that is free.
        link_token: The token.

    Raises:
        ValueError: If the address cannot be bound to.
    """
    import uvicorn

    token = None if is_loopback(host) else link_token
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise ValueError(
                f"Cannot serve at {host}, port {port}: {error.strerror}. Choose others: --host, --port."
            ) from error
        app = build_app(session, review_id=review_id, token=token)
        listener.listen(128)
        name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        address = f"http://{name}:{listener.getsockname()[1]}/" + (f"?token={token}" if token else "")
        print(f"Review at {address}", flush=True)
        if token:
            print("Whoever has this address can answer. It is not encrypted: use it in networks you trust.")
        print("Ctrl-C stops; the same command goes on where reviewers stopped.", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listener])
