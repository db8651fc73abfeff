"""The HTTP side of the stand-in: a real server on loopback, with real server-sent events and scripted faults."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from openai_standin import answers

Event = str | dict[str, Any]


@dataclass(frozen=True)
class Received:
    """A request as the server read it; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body parsed as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One answer, whole or streamed.

    Attributes:
        events: data of server-sent events, sent as a chunked stream, each in a chunk of its own.
        chunks: raw pieces of a chunked stream, cut wherever a test wants them cut.
        pause: seconds between two pieces of a stream.
        delay: seconds before anything is sent.
        cut_after: pieces after which the connection breaks; 0 breaks it before the status line.
        gzip: compress the body.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Event] | None = None
    chunks: list[bytes] | None = None
    pause: float = 0.0
    delay: float = 0.0
    cut_after: int | None = None
    gzip: bool = False

    def pieces(self) -> list[bytes] | None:
        """Return the pieces of a stream, or None for a whole body."""
        if self.events is None:
            return self.chunks
        return [_event(event) for event in self.events]

    def whole(self) -> bytes:
        """Return the body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


Script = Reply | Callable[[Received], Reply]


def _event(event: Event) -> bytes:
    """Write one event; a ``type`` inside its data is its event name too, as the responses API has it."""
    if isinstance(event, str):
        return f"data: {event}\n\n".encode()
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event, separators=(',', ':'))}\n\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a streamed piece leaves at once
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Keep a test's output clean."""

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def _receive(self) -> Received:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else self._read_chunked()
        # A client that takes this server for its proxy sends the whole URL; nothing is ever forwarded.
        path = urlsplit(self.path)
        target = path.path + (f"?{path.query}" if path.query else "")
        return Received(self.command, target, {name.lower(): value for name, value in self.headers.items()}, body)

    def _read_chunked(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return b""
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self) -> None:
        received = self._receive()
        reply = self.server.reply(received)
        time.sleep(reply.delay)
        try:
            self._send(reply)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client left early, as clients do

    def _send(self, reply: Reply) -> None:
        pieces = reply.pieces()
        if reply.cut_after == 0:
            self._cut()
        elif pieces is None:
            self._send_whole(reply)
        else:
            self._send_stream(reply, pieces)

    def _head(self, reply: Reply, **headers: str) -> None:
        self.send_response_only(reply.status)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {**names, **answers.HEADERS, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_whole(self, reply: Reply) -> None:
        body = reply.whole()
        encoding = {"content_encoding": "gzip"} if reply.gzip else {}
        body = gzip.compress(body, mtime=0) if reply.gzip else body
        self._head(reply, content_type="application/json", content_length=str(len(body)), **encoding)
        self.wfile.write(body)

    def _send_stream(self, reply: Reply, pieces: list[bytes]) -> None:
        self._head(reply, content_type="text/event-stream; charset=utf-8", transfer_encoding="chunked")
        for number, piece in enumerate(pieces):
            if number == reply.cut_after:
                self._cut()
                return
            if number:
                time.sleep(reply.pause)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_POST = do_GET = do_DELETE = _answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.scripts: list[Script] = []
        self.requests: list[Received] = []
        self.connections = 0
        self._lock = threading.Lock()

    def reply(self, received: Received) -> Reply:
        """Take the next scripted reply, else the one the API would give."""
        with self._lock:
            self.requests.append(received)
            script = self.scripts.pop(0) if self.scripts else _default
        return script(received) if callable(script) else script

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over clients that went away."""


def _default(received: Received) -> Reply:
    status, body, events = answers.answer(received.method, received.path, received.headers, received.body)
    return Reply(status, body, events=events)


class StandIn:
    """A stand-in for the OpenAI API on loopback; a context manager that stops its server at the end.

    Without a script it answers as the API would, from the request alone: the same request, the same answer.

    Args:
        port: 0 takes any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(port)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def proxy_url(self) -> str:
        """The address for clients that reach it as an HTTP proxy."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def base_url(self) -> str:
        """The address for clients whose base URL can be set."""
        return f"{self.proxy_url}/v1"

    @property
    def requests(self) -> list[Received]:
        """What was received so far."""
        return self._server.requests

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._server.connections

    def push(self, *replies: Script) -> None:
        """Add scripted replies, used first in, first out, before the API's own."""
        self._server.scripts += replies
