"""A server for one page, by the standard library; without the token nothing is answered.

It binds to one address and speaks plain HTTP. Nothing is computed for a request: it gets what was made when the log was
last looked at.
"""

import hmac
import secrets
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

from bayes_grpo.errors import InputError
from bayes_grpo.report.live.page import LivePage

#: Seconds that a connection may be silent.
_PATIENCE = 10.0
_REFUSED = "The token is missing or wrong. Open the address that `bayes-grpo watch --serve` printed, with its token.\n"


class LiveServer:
    """Serves a page that changes, from a thread of its own, until its context ends.

    Parameters
    ----------
    host : str
        Address to bind to, IPv4, IPv6 or a name.
    port : int
        Port; 0 for any free one.

    Raises
    ------
    InputError
        If the address cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self.token = secrets.token_urlsafe(18)
        self._series, self._version = secrets.token_hex(4), 0
        self._page: tuple[str, LivePage] | None = None
        self._server = _bound(host, port, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="live page")

    @property
    def url(self) -> str:
        """Address of the page, with the token."""
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}/?token={self.token}"

    def publish(self, page: LivePage) -> None:
        """Show this page from now on.

        Parameters
        ----------
        page : LivePage
            From `bayes_grpo.report.live.page.live_page`.
        """
        self._version += 1
        self._page = (f'"{self._series}-{self._version}"', page)

    def answer(self, target: str, seen: str | None) -> tuple[HTTPStatus, dict[str, str], str]:
        """Status, headers and text for a request.

        Parameters
        ----------
        target : str
            Path and query.
        seen : str or None
            Tag of the version that the browser has.
        """
        path, _, query = target.partition("?")
        given = parse_qs(query, errors="replace").get("token", [""])[0]
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return HTTPStatus.FORBIDDEN, plain, _REFUSED
        if path not in ("/", "/now"):
            return HTTPStatus.NOT_FOUND, plain, "There is one page here, at /.\n"
        if self._page is None:
            return HTTPStatus.SERVICE_UNAVAILABLE, plain, "The log has not been looked at yet.\n"
        tag, page = self._page
        if path == "/now" and seen == tag:
            return HTTPStatus.NOT_MODIFIED, {"ETag": tag}, ""
        headers = {"Content-Type": "text/html; charset=utf-8", "ETag": tag, "Content-Security-Policy": page.policy}
        return HTTPStatus.OK, headers, page.whole if path == "/" else page.now

    def __enter__(self) -> "LiveServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Its threads end with the process, and it asks no name server."""

    live: LiveServer

    def server_bind(self) -> None:
        """Bind, without the look-up of a name that HTTPServer makes."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is no fault."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "bayes-grpo", ""
    timeout = _PATIENCE

    def do_GET(self) -> None:
        status, headers, text = self.server.live.answer(self.path, self.headers.get("If-None-Match"))
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a request holds the token."""


def _bound(host: str, port: int, live: LiveServer) -> _Server:
    """A server that listens."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        kind = type("Server", (_Server,), {"address_family": family, "live": live})
        server: _Server = kind((host, port), _Handler)
        return server
    except OSError as error:
        raise InputError(
            "command line",
            f"--port, --host: {host}, port {port} cannot be had ({error.strerror or error}); if another program "
            "listens there, choose another --port, or 0 for any free one",
        ) from error
