"""Steady traffic while a check changes something: one call after the other, each answer kept, none retried."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from harness.client.exchange import Exchange
from harness.engine.failure import NotReady
from harness.world.expectations import describe, expect

PAUSE_S: Final = 0.01
BEFORE: Final = 3
"""Answers that traffic has before a check changes anything: without them, nothing was ever served."""


class Traffic:
    """Calls in a thread of its own, from entering the block until leaving it."""

    def __init__(self, send: Callable[[], Exchange]) -> None:
        self._send = send
        self._stop = threading.Event()
        self._flowing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.exchanges: list[Exchange] = []

    def __enter__(self) -> Self:
        """Return once traffic flows. Raises NotReady when the first calls get no answer."""
        self._thread.start()
        if not self._flowing.wait(30):
            raise NotReady("steady traffic did not begin to flow within 30 s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def mark(self) -> int:
        """The number of answers so far; the next one is not among them."""
        return len(self.exchanges)

    def expect_all_served(self, *, during: str, since: int = 0, requirement: str | None = None) -> None:
        """Every answer since the mark is 200, and there are some. Raises NotConformant with the first that is not."""
        answers = self.exchanges[since:]
        wrong = next((exchange for exchange in answers if exchange.status != 200), None)
        expect(
            bool(answers) and wrong is None,
            expected=f"nothing but 200 {during}",
            observed=f"{describe(wrong)}, one of {len(answers)} answers" if wrong else "no call was answered",
            exchange=wrong,
            requirement=requirement,
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            self.exchanges.append(self._send())
            if len(self.exchanges) >= BEFORE:
                self._flowing.set()
            self._stop.wait(PAUSE_S)
