"""A web site on this machine: answers by path, and what was asked for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

T = TypeVar("T", bound=http.server.HTTPServer)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    content: bytes


class Site(http.server.ThreadingHTTPServer):
    """Serves what :meth:`add` was given, and 404 for the rest; ``asked`` are the paths, in turn."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    def add(self, path: str, content: bytes = b"", status: int = 200, **headers: str) -> None:
        stated = {"Content-Length": str(len(content)), **headers}
        self.answers[path] = Answer(status, {name: value for name, value in stated.items() if value}, content)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        if answer is None:
            self.send_error(404)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving(site: T) -> Iterator[T]:
    """Has a server answer meanwhile."""
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield site
    site.shutdown()
    site.server_close()
    thread.join()
