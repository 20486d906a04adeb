"""The server of the live page: who gets an answer, and which."""

import http.client
from urllib.parse import urlsplit

import pytest

from bayes_grpo import InputError
from bayes_grpo.report.live.page import LivePage
from bayes_grpo.report.live.server import LiveServer

PAGE = LivePage("<!doctype html>the whole", "the part", "default-src 'none'")


def ask(server: LiveServer, target: str, **headers: str) -> tuple[int, dict[str, str], str]:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    connection.request("GET", target, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), text


def test_only_the_token_opens_it(capfd: pytest.CaptureFixture) -> None:
    with LiveServer("127.0.0.1", 0) as server:
        server.publish(PAGE)
        for query in ("", "?token=", f"?token={server.token}x", f"?token={server.token[:-1]}", "?token=%FF%00"):
            for path in ("/", "/now", "/elsewhere"):
                status, _, text = ask(server, path + query)
                assert status == 403 and "token is missing or wrong" in text and server.token not in text
        status, headers, text = ask(server, f"/?token={server.token}")
        assert (status, text) == (200, PAGE.whole)
        assert headers["Content-Security-Policy"] == PAGE.policy and headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer" and "Python" not in headers["Server"]
        assert ask(server, f"/../etc/passwd?token={server.token}")[0] == 404
    assert capfd.readouterr() == ("", "")  # a log of requests would hold the token


def test_what_was_seen_is_not_sent_again() -> None:
    with LiveServer("127.0.0.1", 0) as server:
        assert ask(server, f"/now?token={server.token}")[0] == 503
        server.publish(PAGE)
        _, headers, text = ask(server, f"/now?token={server.token}")
        assert text == PAGE.now
        status, _, text = ask(server, f"/now?token={server.token}", If_None_Match=headers["ETag"])
        assert (status, text) == (304, "")
        server.publish(PAGE._replace(now="new"))
        status, _, text = ask(server, f"/now?token={server.token}", If_None_Match=headers["ETag"])
        assert (status, text) == (200, "new")


def test_each_server_has_a_token_of_its_own_and_a_port_that_is_free_afterwards() -> None:
    with LiveServer("127.0.0.1", 0) as first:
        port = urlsplit(first.url).port
        with pytest.raises(InputError, match=f"127.0.0.1, port {port} cannot be had .* choose another --port"):
            LiveServer("127.0.0.1", port)
    with LiveServer("127.0.0.1", port) as second:
        assert second.token != first.token and len(second.token) >= 24


def test_an_address_that_is_not_of_this_machine_is_refused() -> None:
    with pytest.raises(InputError, match="192.0.2.1, port 0 cannot be had"):
        LiveServer("192.0.2.1", 0)
