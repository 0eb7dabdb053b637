"""Who may talk to the review page. Standard library only; wraps any ASGI application."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "spatial_review_token"
# Of what Gradio answers to, the page needs these; among the rest are ways to files and to its own code.
_GRADIO = "/gradio_api"
_OPEN = tuple(
    f"{_GRADIO}/{name}"
    for name in (
        "app_id",
        "cancel",
        "heartbeat/",
        "info",
        "queue/",
        "reset",
        "run/",
        "startup-events",
        "theme.css",
    )
)


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Access:
    """Lets requests through that may be answered.

    Without a token only those addressed to this machine by its loopback names, so that no web page elsewhere
    can reach the review through its visitor's browser. With a token only those that bring it: once in the
    address, as `?token=`, and from then on in a cookie. Requests that change something must come from the
    page itself.
    """

    def __init__(self, app: App, *, token: str | None) -> None:
        """Wrap `app`; `token` is None for a server that is bound to loopback."""
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if self._token is None:
            if not is_loopback(urlsplit(f"//{host}").hostname or ""):
                await _reply(send, 403, "This review answers on this machine only, at 127.0.0.1.")
                return
        else:
            query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
            given = dict(query).get("token")
            if given is not None and self._fits(given):
                # The token leaves the address, where it could be read over a shoulder or kept in a history.
                rest = urlencode([(name, value) for name, value in query if name != "token"])
                place = scope.get("root_path", "") + scope["path"] + (f"?{rest}" if rest else "")
                cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                await _reply(send, 303, "", {"location": place, "set-cookie": cookie})
                return
            if not self._fits(_cookie(headers.get("cookie", ""))):
                text = (
                    "This review needs its token: open the whole address that `spatial review` has printed."
                )
                await _reply(send, 401, text)
                return
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin and urlsplit(origin).netloc != host:
            await _reply(send, 403, "Requests from other pages are not answered.")
            return
        if scope["path"].startswith(_GRADIO) and not scope["path"].startswith(_OPEN):
            await _reply(send, 404, "There is nothing here.")
            return
        await self._app(scope, receive, send)

    def _fits(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), (self._token or "").encode())


def _cookie(header: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


async def _reply(send: Send, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
    fields = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", **(headers or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": text.encode()})
