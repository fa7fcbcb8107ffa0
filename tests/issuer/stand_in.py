"""What the harness asks of a Keycloak, answered in this process: enough of the administrative API for whatever a run makes there.

Held to the real one by `test_keycloak.py`, whose cases about remains run against both.
"""

import contextlib
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from joserfc.util import urlsafe_b64encode

from harness.client.keycloak import Keycloak
from harness.client.secret import Secret
from harness.simulator.issuer.__main__ import CA_FILE, CHAIN_FILE, KEY_FILE, certified

ADMINISTRATOR, SECRET = "judge", "of the judge"
NAMES = {"users": "username", "groups": "name", "clients": "clientId", "components": "name"}
KINDS = tuple(NAMES)


@dataclass
class StandIn:
    """The server's state: by realm, by kind, by id. A token that people ask for is held back while `hold` is set."""

    url: str
    ca_file: Path
    realms: dict[str, dict[str, dict[str, dict[str, Any]]]] = field(default_factory=dict)
    hold: bool = False
    held: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str) -> None:
        """A realm with nothing in it."""
        self.realms[name] = {kind: {} for kind in KINDS}

    def names(self, realm: str = "maas") -> dict[str, list[str]]:
        """What is in a realm, by kind."""
        found = {kind: [str(entry[NAMES[kind]]) for entry in self.realms[realm][kind].values()] for kind in KINDS}
        return {kind: sorted(names) for kind, names in found.items() if names}

    def settings(self, folder: Path) -> dict[str, str]:
        """What names it to a run, the secret in a file."""
        file = folder / "judge.secret"
        file.write_text(SECRET, encoding="utf-8")
        return {
            "oidc-issuer": f"{self.url}/realms/maas",
            "oidc-ca": str(self.ca_file),
            "keycloak-admin-client": ADMINISTRATOR,
            "keycloak-admin-secret-file": str(file),
        }

    def connected(self) -> Keycloak:
        """A connection as its administrator."""
        return Keycloak(self.url, ADMINISTRATOR, Secret(SECRET), ca_file=self.ca_file)


@contextlib.contextmanager
def standing_in(directory: Path, host: str = "127.0.0.1") -> Iterator[StandIn]:
    """A server with the realms `master` and `maas`, by HTTPS on loopback; `host` is what it is called."""
    certified(directory, host)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / CHAIN_FILE, directory / KEY_FILE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.state = StandIn(f"https://{host}:{server.server_port}", directory / CA_FILE)  # type: ignore[attr-defined] # for handlers
    state: StandIn = server.state  # type: ignore[attr-defined]
    for realm in ("master", "maas"):
        state.add(realm)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection, one request after the other."""

    protocol_version = "HTTP/1.1"

    @property
    def state(self) -> StandIn:
        state: StandIn = self.server.state  # type: ignore[attr-defined] # set by standing_in
        return state

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path, query = self._path()
        match path:
            case ["admin", "realms"]:
                self._answer(200, [{"realm": name} for name in self.state.realms])
            case ["admin", "realms", realm, "keys"]:
                keys = self.state.realms[realm]["components"].values()
                self._answer(200, {"keys": [{"providerId": key["id"], "kid": key["id"]} for key in keys]})
            case ["admin", "realms", realm, kind] if realm in self.state.realms:
                self._answer(200, [entry for entry in self.state.realms[realm][kind].values() if _fits(entry, query)])
            case _:
                self._answer(404, {"error": "Realm not found."})

    def do_POST(self) -> None:
        path, _ = self._path()
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        match path:
            case ["realms", _, "protocol", "openid-connect", "token"]:
                self._token({name: value[0] for name, value in parse_qs(body.decode()).items()}, path[1])
            case ["admin", "realms"]:
                self.state.add(json.loads(body)["realm"])
                self._answer(201, None)
            case ["admin", "realms", realm, kind]:
                self._create(realm, kind, json.loads(body))

    def do_DELETE(self) -> None:
        path, _ = self._path()
        match path:
            case ["admin", "realms", realm]:
                del self.state.realms[realm]
            case ["admin", "realms", realm, kind, identifier]:
                del self.state.realms[realm][kind][identifier]
        self._answer(204, None)

    def _create(self, realm: str, kind: str, body: dict[str, Any]) -> None:
        known = self.state.realms[realm][kind]
        if any(entry[NAMES[kind]] == body[NAMES[kind]] for entry in known.values()):
            return self._answer(409, {"errorMessage": "it exists"})
        identifier = str(uuid.uuid4())
        known[identifier] = {**body, "id": identifier}
        return self._answer(201, None, Location=f"{self.state.url}/x/{identifier}")

    def _token(self, form: dict[str, str], realm: str) -> None:
        if realm == "master":
            if (form["client_id"], form["client_secret"]) != (ADMINISTRATOR, SECRET):
                return self._answer(401, {"error": "unauthorized_client"})
            return self._answer(200, {"access_token": "administrator", "expires_in": 60})
        if self.state.hold:
            self.state.held.release()
            self.state.released.wait()
            return None
        users = self.state.realms[realm]["users"].values()
        groups = [group for user in users if user["username"] == form.get("username") for group in user["groups"]]
        claims = {
            "preferred_username": form.get("username"),
            "azp": form["client_id"],
            "groups": [group.removeprefix("/") for group in groups],
        }
        return self._answer(200, {"access_token": f"e30.{urlsafe_b64encode(json.dumps(claims).encode()).decode()}.x"})

    def _path(self) -> tuple[list[str], dict[str, str]]:
        parts = urlsplit(self.path)
        query = {name: value[0] for name, value in parse_qs(parts.query).items()}
        return [unquote(part) for part in parts.path.strip("/").split("/")], query

    def _answer(self, code: int, body: Any, **headers: str) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _fits(entry: dict[str, Any], query: dict[str, str]) -> bool:
    """As Keycloak searches: clients by their whole name unless asked otherwise, people and groups by a text anywhere in it."""
    if "clientId" in query:
        wanted = str(query["clientId"])
        return wanted in entry["clientId"] if query.get("search") == "true" else bool(wanted == entry["clientId"])
    for member in {"username", "email"} & query.keys():
        exact = query.get("exact") == "true"
        if entry[member] != query[member] if exact else query[member] not in entry[member]:
            return False
    return query.get("search", "") in entry.get("name", "")
