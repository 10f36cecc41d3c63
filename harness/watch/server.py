"""Serves the page that is watched: on this machine alone, to whoever has its address, and read only."""

import asyncio
import json
import secrets
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.report.markdown import TEMPLATES
from harness.watch.page import Parts, View, page

HOST = "127.0.0.1"
LOOK_S = 1.0
"""Seconds between two looks."""
ALIVE_S = 15.0
"""Seconds after which something is sent though nothing has changed, so that a lost connection is noticed."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
CARD_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""Of a scorecard: no script runs, not even its own, and it is of no origin."""
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
STYLES = ("scorecard.css", "table.css", "watch.css")


class Look:
    """The latest look at a view, shared by all who watch: there is one a second, however many they are."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._at = -LOOK_S
        self._parts: Parts = {}

    def parts(self) -> Parts:
        """Return the parts of the page, at most `LOOK_S` seconds old."""
        with self._lock:
            if time.monotonic() - self._at >= LOOK_S:
                self._parts, self._at = self._view.parts(), time.monotonic()
            return self._parts


class Guard:
    """Answers only who names this machine as host and knows the token, and asks for nothing but to read."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{host}:{port}" for host in (HOST, "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request below the token, or refuse it; every answer gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refusal(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                more = {"content-security-policy": POLICY, **HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *((n.encode(), v.encode()) for n, v in more.items() if n.encode() not in own),
                ]
            await send(message)

        await (refused or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return PlainTextResponse("expected this machine as host", 421)
        if scope["method"] not in ("GET", "HEAD"):
            return PlainTextResponse("this page can only be read", 405)
        token = scope["path"].split("/")[1].encode()
        if not secrets.compare_digest(token, self._token.encode()):
            return PlainTextResponse("no such page: use the address that harness watch has printed", 404)
        return None


def application(view: View, token: str, port: int) -> Starlette:
    """Make the application that shows a view below ``/TOKEN/`` to who asks for ``127.0.0.1:PORT``."""
    look, script = Look(view), (TEMPLATES / "watch.js").read_text(encoding="utf-8")
    routes = [Route(f"/{token}/card/{{name}}", partial(_card, view))]
    for below, only in (("", ""), ("board/", "board")) if view.kind == "class" else (("", ""),):
        routes += [
            Route(f"/{token}/{below}", partial(_whole, view, look, only)),
            Route(f"/{token}/{below}events", partial(_events, look, only)),
            Route(f"/{token}/{below}watch.css", partial(_file, _style(), "text/css")),
            Route(f"/{token}/{below}watch.js", partial(_file, script, "text/javascript")),
        ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, port=port)])


def listen(port: int) -> socket.socket:
    """Open a port of this machine that nobody outside it can reach; 0: any that is free.

    Raises:
        OSError: it is taken.
    """
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


def serve(view: View, listening: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve a view until the process is stopped; `announce` is called with the address before."""
    token, port = secrets.token_urlsafe(24), listening.getsockname()[1]
    announce(f"http://{HOST}:{port}/{token}/")
    config = uvicorn.Config(
        application(view, token, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ws="none",
        lifespan="off",
    )
    uvicorn.Server(config).run(sockets=[listening])


# Private functions


def _style() -> str:
    style = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in STYLES)
    narrow = (TEMPLATES / "table_narrow.css").read_text(encoding="utf-8")
    return f"{style}\n@media screen and (max-width: 46rem) {{\n{narrow}}}\n"


async def _file(content: str, kind: str, _: Request) -> Response:
    return Response(content, media_type=kind)


async def _whole(view: View, look: Look, only: str, _: Request) -> Response:
    return HTMLResponse(page(view, await run_in_threadpool(look.parts), only=only))


async def _events(look: Look, only: str, _: Request) -> Response:
    return StreamingResponse(_changes(look, only), media_type="text/event-stream")


async def _card(view: View, request: Request) -> Response:
    path = view.card(request.path_params["name"])
    if path is None:
        return PlainTextResponse("there is no scorecard yet", 404)
    content = await run_in_threadpool(path.read_bytes)
    return HTMLResponse(content, headers={"content-security-policy": CARD_POLICY})


async def _changes(look: Look, only: str) -> AsyncIterator[str]:
    """Send every part once, and then each that has changed, as server-sent events."""
    sent: Parts = {}
    at = 0.0
    while True:
        parts = await run_in_threadpool(look.parts)
        now = {only: parts[only]} if only else parts
        is_new_list = now.get("students") != sent.get("students")
        changed = {
            id_: html
            for id_, html in now.items()
            if sent.get(id_) != html or (is_new_list and id_[0] == "s" and id_[1:].isdecimal())
        }
        if changed:
            yield f"data: {json.dumps(changed)}\n\n"
            sent, at = now, time.monotonic()
        elif time.monotonic() - at > ALIVE_S:
            yield ": alive\n\n"
            at = time.monotonic()
        await asyncio.sleep(LOOK_S)
