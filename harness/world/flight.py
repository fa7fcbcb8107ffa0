"""Requests that are running while a check does something else: streams that were answered and are not read to their end."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx

from harness.client.trust import trust
from harness.world.caller import Caller
from harness.world.inference import Ask

LONG: Final = Ask(max_tokens=120, stream=True, include_usage=True)
HELD_S: Final = 20
"""How long a mock server says nothing more, so that its stream runs on; a real model takes its time anyway."""


@dataclass(slots=True)
class Flights:
    """Streams that run together; leaving the block ends those that still do, in the middle."""

    caller: Caller
    ask: Ask = LONG
    _running: list[ExitStack] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._running:
            self.end()

    def __len__(self) -> int:
        return len(self._running)

    def start(self) -> int:
        """Ask for one more stream and return the status once it has begun; a refused one does not run. Raises httpx.HTTPError."""
        stack = ExitStack()
        answer = stack.enter_context(_begun(self.caller, self.ask))
        if answer.status_code == httpx.codes.OK:
            self._running.append(stack)
        else:
            stack.close()
        return answer.status_code

    def end(self) -> None:
        """Leave the oldest stream in its middle, as a client does that goes away."""
        self._running.pop(0).close()

    def fill(self, most: int) -> int | None:
        """Start streams until one is refused, at most `most`; the status that refused, None when none was."""
        for _ in range(most):
            status = self.start()
            if status != httpx.codes.OK:
                return status
        return None


@contextmanager
def _begun(caller: Caller, ask: Ask) -> Iterator[httpx.Response]:
    """A stream whose first event has arrived, on a connection of its own."""
    wire, secret = caller.wire, caller.credential.secret()
    headers = {"Authorization": f"{caller.scheme}{secret.reveal()}"} if secret else {}
    headers["X-Mock-Fault"] = f"stall; after_tokens=2; seconds={HELD_S}"
    timeout = wire.platform.parameters.request_timeout_s
    with httpx.Client(verify=trust(wire.platform.ca_file), trust_env=False, timeout=timeout) as client:
        url = ask.url(wire.platform.endpoints.gateway, caller.model)
        with client.stream("POST", url, json=ask.body(caller.model), headers=headers) as answer:
            chunks = answer.iter_raw()  # kept: httpx ends the response with its iterator
            next(chunks, b"")
            yield answer
