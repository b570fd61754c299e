"""Lambda around the functions' own binaries: the runtime API, and API Gateway's routes as Terraform made them."""

import contextlib
import http.server
import json
import queue
import re
import threading
import uuid
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from urllib.parse import urlsplit

from .expect import NotSo

RUNTIME = "/2018-06-01/runtime/invocation"
PATIENCE = 30  # seconds


class _Server(http.server.ThreadingHTTPServer):
    """A server on loopback in its own thread."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def close(self) -> None:
        """Answers nobody any more."""
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 and logs nothing: requests hold tokens."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(body)


class Function:
    """One function: its process asks our runtime API for events and answers them, one at a time."""

    def __init__(self, name: str):
        self.name = name
        self.waiting: queue.Queue[tuple[str, dict, Future]] = queue.Queue()
        self.under_way: dict[str, Future] = {}
        function = self

        class Runtime(_Handler):
            def do_GET(self):
                # Until there is an event: the process is frozen, as it were.
                request, event, future = function.waiting.get()
                function.under_way[request] = future
                headers = {
                    "content-type": "application/json",
                    "lambda-runtime-aws-request-id": request,
                    "lambda-runtime-deadline-ms": "4102444800000",
                    "lambda-runtime-invoked-function-arn": f"arn:aws:lambda:eu-west-1:123456789012:function:{name}",
                    "lambda-runtime-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                }
                self.answer(200, headers, json.dumps(event).encode())

            def do_POST(self):
                request, _, what = self.path.removeprefix(f"{RUNTIME}/").partition("/")
                body = self.body()
                future = function.under_way.pop(request)
                if what == "response":
                    future.set_result(json.loads(body))
                else:
                    future.set_exception(NotSo(f"{name} failed: {body.decode()[:1000]}"))
                self.answer(202, {}, b"")

        self.server = _Server(Runtime)

    def invoke(self, event: dict):
        """The function's answer to an event."""
        future: Future = Future()
        self.waiting.put((str(uuid.uuid4()), event, future))
        try:
            return future.result(PATIENCE)
        except NoAnswer as late:
            raise NotSo(f"{self.name} did not answer within {PATIENCE} s") from late


class Gateway:
    """The HTTP API's routes, each to the function that its integration names. The token is left to the functions, which
    check it themselves; API Gateway's own look at it is not here."""

    def __init__(self, aws, name: str, functions: dict[str, Function]):
        api = next(api["ApiId"] for api in aws("apigatewayv2").get_apis()["Items"] if api["Name"] == name)
        integrations = {
            one["IntegrationId"]: functions[one["IntegrationUri"].rsplit(":", 1)[-1]]
            for one in aws("apigatewayv2").get_integrations(ApiId=api)["Items"]
        }
        routes = []
        for route in aws("apigatewayv2").get_routes(ApiId=api)["Items"]:
            method, path = route["RouteKey"].split(" ")
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$")
            routes.append((method, pattern, route["RouteKey"], integrations[route["Target"].rsplit("/", 1)[-1]]))

        class Routes(_Handler):
            def do_GET(self):
                parts, body = urlsplit(self.path), self.body()
                for method, pattern, key, function in routes:
                    if method == self.command and pattern.match(parts.path):
                        event = _event(self, key, api, parts, body)
                        answer = function.invoke(event)
                        self.answer(answer["statusCode"], answer["headers"], answer["body"].encode())
                        return
                self.answer(404, {"content-type": "application/json"}, b'{"message":"Not Found"}')

            do_POST = do_GET

        self.server = _Server(Routes)
        self.url = f"http://{self.server.address}"


def _event(request: _Handler, key: str, api: str, parts, body: bytes) -> dict:
    """A request as an HTTP API hands it over (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": key,
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in request.headers.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": api,
            "domainName": f"{api}.execute-api.eu-west-1.amazonaws.com",
            "http": {
                "method": request.command,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "check",
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": key,
            "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000",
            "timeEpoch": 1773342238000,
        },
        "body": body.decode(),
        "isBase64Encoded": False,
    }
