import os
import shlex
import subprocess

import pytest

from harness.client.curl import curl_line
from harness.client.exchange import Request

URL = "http://127.0.0.1:1/v1/chat/completions?x=a b"


def words(request: Request) -> list[str]:
    """What a real shell makes of the line: curl is a function that prints its arguments."""
    script = 'curl() { for a in "$@"; do printf \'%s\\0\' "$a"; done; }\n' + curl_line(request)
    done = subprocess.run(["sh", "-c", script], capture_output=True, env={**os.environ, "MAAS_KEY": "k3y"}, check=True)
    return done.stdout.decode().split("\0")[:-1]


def test_the_shell_fills_in_the_key_and_the_line_does_not_hold_it():
    request = Request("GET", URL, {"Authorization": "Bearer <secret>"}, None)
    assert "Authorization: Bearer k3y" in words(request)
    assert "k3y" not in curl_line(request)


@pytest.mark.parametrize("value", ["it's", 'say "hi"', "$HOME `id` \\", "a;b|c"])
def test_no_header_value_is_expanded_by_the_shell(value):
    assert f"X-Odd: {value}" in words(Request("GET", URL, {"X-Odd": value}, None))
    assert f"X-Odd: {value} k3y" in words(Request("GET", URL, {"X-Odd": f"{value} <secret>"}, None))


def test_an_empty_header_is_sent_as_curl_wants_it():
    assert "X-MaaS-Username;" in words(Request("GET", URL, {"X-MaaS-Username": ""}, None))


def test_the_body_and_the_method_survive():
    body = b'{"q": "it\'s $5"}'
    sent = words(Request("DELETE", URL, {}, body))
    assert sent[sent.index("-d") + 1] == body.decode()
    assert sent[sent.index("-X") + 1] == "DELETE"
    assert sent[-1] == URL


def test_headers_that_only_measure_are_left_out():
    line = curl_line(
        Request("GET", URL, {"X-Request-Id": "r", "traceparent": "t", "X-MaaS-Subscription": "gold"}, None)
    )
    assert shlex.split(line).count("-H") == 1
