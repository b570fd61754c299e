"""The ASGI application: MiniStack, with CloudApp's own pages under `/_cloudapp/` in front of it.

* `GET /_cloudapp/mail` and `GET /_cloudapp/mail/`: every mail, as JSON and as a page.
* `POST /_cloudapp/checkpoint`: write changed state to disk now; answers 204 when it is there.

MiniStack checks no credentials and allows every origin, so any page open in the developer's browser could read and
change everything. A request that a browser sends for another page, or under another host name, is refused.
"""

import asyncio
import json

from ministack.app import app as ministack

from . import mail
from .checkpoint import Checkpointer, may_change_state

JSON_TYPE = b"application/json"
HTML_TYPE = b"text/html; charset=utf-8"


LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class Gateway:
    """Serves CloudApp's pages, hands everything else to MiniStack and marks what may have changed."""

    def __init__(self, checkpointer: Checkpointer):
        self._checkpointer = checkpointer

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await ministack(scope, receive, self._after_start(send))
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = scope["path"]
        if _from_another_page(dict(scope["headers"])):
            await _respond(send, 403, JSON_TYPE, b'{"message":"Not for browsers"}')
            return
        if path.startswith("/_cloudapp/"):
            await self._own_page(scope["method"], path, send)
            return
        try:
            await ministack(scope, receive, send)
        finally:
            headers = dict(scope["headers"])
            if may_change_state(scope["method"], headers.get(b"x-amz-target", b"").decode("latin-1")):
                self._checkpointer.mark()

    def _after_start(self, send):
        async def forward(message):
            if message["type"] == "lifespan.startup.complete":
                self._checkpointer.start()  # not before MiniStack has read what the last run left
            await send(message)
        return forward

    async def _own_page(self, method: str, path: str, send) -> None:
        if (method, path) == ("GET", "/_cloudapp/mail"):
            await _respond(send, 200, JSON_TYPE, json.dumps(mail.messages()).encode())
        elif (method, path) == ("GET", "/_cloudapp/mail/"):
            await _respond(send, 200, HTML_TYPE, mail.page().encode())
        elif (method, path) == ("POST", "/_cloudapp/checkpoint"):
            await asyncio.to_thread(self._checkpointer.flush)
            await _respond(send, 204, JSON_TYPE, b"")
        else:
            await _respond(send, 404, JSON_TYPE, b'{"message":"Not Found"}')


def _from_another_page(headers: dict) -> bool:
    name = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
    return b"origin" in headers or not (name in LOOPBACK_NAMES or name.endswith(".localhost"))


async def _respond(send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()),
               (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
               (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
