"""POST to a server on a Unix socket."""

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


def post(socket_path, route, body):
    """The answer's JSON. Raises OSError where nobody listens, Busy for status 503, RuntimeError for any other but 200."""
    connection = UnixConnection(socket_path)
    try:
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    if response.status == 503:
        raise Busy
    if response.status != 200:
        raise RuntimeError(f"{route} answered {response.status}: {text.decode(errors='replace')[:500]}")
    return json.loads(text)
