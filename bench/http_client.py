"""POST to a server on a Unix socket."""

import contextlib
import http.client
import json
import socket


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=600):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Busy(Exception):
    """Status 503: ask again."""


@contextlib.contextmanager
def _answer(socket_path, route, body):
    connection = UnixConnection(socket_path)
    try:
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status == 503:
            raise Busy
        if response.status != 200:
            raise RuntimeError(f"{route} answered {response.status}: {response.read().decode(errors='replace')[:500]}")
        yield response
    finally:
        connection.close()


def post(socket_path, route, body):
    """The answer's JSON. Raises OSError where nobody listens, Busy for status 503, RuntimeError for any other but 200."""
    with _answer(socket_path, route, body) as response:
        return json.loads(response.read())


def stream(socket_path, route, body):
    """Yields the events of an answer as they arrive, each as the text of its data. Raises as post() does."""
    with _answer(socket_path, route, body) as response:
        for line in response:
            if line.startswith(b"data: "):
                yield line[6:].strip()
