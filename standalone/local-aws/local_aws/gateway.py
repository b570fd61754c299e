"""The ASGI application: MiniStack, with CloudApp's own pages under `/_cloudapp/` in front of it.

* `GET /_cloudapp/mail` and `GET /_cloudapp/mail/`: every mail, as JSON and as a page.
* `POST /_cloudapp/checkpoint`: write changed state to disk now; answers 204 when it is there.
"""

import asyncio
import json

from ministack.app import app as ministack

from . import mail
from .checkpoint import Checkpointer, may_change_state

JSON_TYPE = b"application/json"
HTML_TYPE = b"text/html; charset=utf-8"


class Gateway:
    """Serves CloudApp's pages, hands everything else to MiniStack and marks what may have changed."""

    def __init__(self, checkpointer: Checkpointer):
        self._checkpointer = checkpointer

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await ministack(scope, receive, self._after_start(send))
            return
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith("/_cloudapp/"):
            await self._own_page(scope["method"], path, send)
            return
        try:
            await ministack(scope, receive, send)
        finally:
            headers = dict(scope.get("headers", []))
            if may_change_state(scope.get("method", ""), headers.get(b"x-amz-target", b"").decode("latin-1")):
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


async def _respond(send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode()),
               (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
               (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
