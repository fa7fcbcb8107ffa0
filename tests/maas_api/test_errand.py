"""The errand as the process that a Job runs, against a server with a certificate."""

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.simulator.kubelet.platform import ERRAND


@contextmanager
def serving(certificate: trustme.LeafCert) -> Iterator[tuple[str, list[str]]]:
    """URL of a server that answers every DELETE with 200 by HTTPS, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_DELETE(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/keys", asked
        finally:
            server.shutdown()
            thread.join()


def run(url: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", ERRAND, "DELETE", url], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA, folder: Path) -> dict[str, str]:
    file = folder / "ca.crt"
    authority.cert_pem.write_to_path(str(file))
    return {"SSL_CERT_FILE": str(file)}


def test_a_certificate_of_the_named_authority_is_believed(authority: trustme.CA, tmp_path: Path) -> None:
    with serving(authority.issue_cert("127.0.0.1")) as (url, asked):
        ended = run(url, trusting(authority, tmp_path))
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, ["200"], "")
    assert asked == ["/keys"]


@pytest.mark.parametrize(
    ("trusted", "issued_to", "why"),
    [
        ("another authority", "127.0.0.1", "unable to get local issuer certificate"),
        ("the system's authorities", "127.0.0.1", "unable to get local issuer certificate"),
        ("its authority", "stranger.example", "IP address mismatch"),
    ],
)
def test_a_stranger_is_told_nothing(
    authority: trustme.CA, tmp_path: Path, trusted: str, issued_to: str, why: str
) -> None:
    environments = {
        "another authority": trusting(trustme.CA(), tmp_path),
        "the system's authorities": {},
    }
    environment = environments.get(trusted)
    with serving(authority.issue_cert(issued_to)) as (url, asked):
        ended = run(url, trusting(authority, tmp_path) if environment is None else environment)
    assert ended.returncode == 1
    assert asked == []
    [said] = ended.stderr.splitlines()
    assert f"{url} shows a certificate that is not trusted here: " in said
    assert why in said
    assert "SSL_CERT_FILE" in said
