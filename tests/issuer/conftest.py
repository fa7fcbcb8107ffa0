"""A running issuer: the process, by its endpoints."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.stack import Part, launch

MODULE = "harness.simulator.issuer"


@dataclass
class Issuer:
    """One process with the realm `maas`."""

    part: Part
    directory: Path
    http: httpx.Client

    @property
    def realm(self) -> str:
        """The `iss` of the realm's tokens."""
        return f"{self.part.endpoints['issuer']}/realms/maas"

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the administrative endpoint below the realm."""
        url = f"{self.part.endpoints['admin']}/realms/maas{path}"
        return httpx.request(method, url, json=body, trust_env=False, timeout=10)

    def token(self, **form: str) -> httpx.Response:
        """A login."""
        return self.http.post(f"{self.realm}/protocol/openid-connect/token", data=form)

    def keys(self) -> list[dict[str, Any]]:
        """The published keys, found as a relying party finds them."""
        document = self.http.get(f"{self.realm}/.well-known/openid-configuration").json()
        assert document["issuer"] == self.realm
        return self.http.get(document["jwks_uri"]).json()["keys"]


def started(directory: Path, *options: str) -> Issuer:
    """A process; the caller stops it."""
    part = launch(directory, "issuer", MODULE, "--dir", str(directory / "issuer"), "--realm", "maas", *options)
    context = ssl.create_default_context(cafile=str(directory / "issuer" / "ca.crt"))
    return Issuer(part, directory, httpx.Client(verify=context, trust_env=False, timeout=10))


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """One process for all tests that leave its realm usable."""
    found = started(tmp_path_factory.mktemp("issuer"))
    yield found
    found.http.close()
    found.part.stop()
