"""The control of an embedded platform's components: a small HTTP server on loopback, in the process that holds the platform open.

`GET /components` says how they are, `POST /components/NAME/ACTION` stops, kills, starts, pauses or resumes one and answers when that is
done. Both want `Authorization: Bearer SECRET`. One thread serves one request after another: commands must not overtake each other, and a
component dies with the thread that started it (Linux takes its end for the end of the parent).
"""

import contextlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

from harness.client.secret import Secret
from harness.outcome import Fault, UsageFault
from harness.platforms.component_state import ACTIONS
from harness.platforms.supervisor import Supervisor

LOOPBACK: Final = "127.0.0.1"
READ_BOUND_S: Final = 2.0
"""A caller that connects and says nothing must not keep others waiting for longer."""


@dataclass(frozen=True, slots=True)
class Control:
    """Where the control answers, and what it asks for."""

    url: str
    secret: Secret


@contextlib.contextmanager
def control_of(supervisor: Supervisor) -> Iterator[Control]:
    """Serve the control for the length of the block. End the components before the block ends: those started again die with it."""
    secret = Secret(secrets.token_urlsafe(32))
    server = _Server(supervisor, secret)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="control of components", daemon=True)
    thread.start()
    try:
        yield Control(f"http://{LOOPBACK}:{server.server_address[1]}", secret)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(HTTPServer):
    def __init__(self, supervisor: Supervisor, secret: Secret) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.supervisor = supervisor
        self.secret = secret

    def service_actions(self) -> None:
        """Between two requests, or after 0.05 s without one."""
        super().service_actions()
        with contextlib.suppress(
            OSError
        ):  # no process can be made now: the start of a component says so, if it comes to that
            self.supervisor.look_ahead()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away midway is nobody's fault, and the terminal is not the place to tell of it."""


class _Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: _Server
    timeout = READ_BOUND_S

    def do_GET(self) -> None:
        """`/components`."""
        if not self._admitted():
            return
        if self.path != "/components":
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}; there is /components")
            return
        states = [state.model_dump() for state in self.server.supervisor.states()]
        self._answer(HTTPStatus.OK, {"components": states})

    def do_POST(self) -> None:
        """`/components/NAME/ACTION`."""
        if not self._admitted():
            return
        root, _, rest = self.path.removeprefix("/").partition("/")
        name, _, word = rest.partition("/")
        action = next((known for known in ACTIONS if known == word), None)
        if root != "components" or action is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"expected /components/NAME/ACTION, ACTION one of {', '.join(ACTIONS)}")
            return
        try:
            state = self.server.supervisor.act(name, action)
        except UsageFault as fault:
            self._refuse(HTTPStatus.NOT_FOUND, str(fault))
        except Fault as fault:
            self._refuse(HTTPStatus.CONFLICT, str(fault))
        else:
            self._answer(HTTPStatus.OK, state.model_dump())

    def _admitted(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if hmac.compare_digest(given.encode(), self.server.secret.reveal().encode()):
            return True
        self._refuse(HTTPStatus.UNAUTHORIZED, "the control of components wants its bearer secret")
        return False

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self._answer(status, {"error": sentence})

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """The terminal belongs to the command that holds the platform."""
