"""Steady traffic: the same request again and again while a check changes something, so that no moment of the change goes unseen."""

import threading
from types import TracebackType
from typing import Final, Self

from harness.client.exchange import Exchange
from harness.client.measuring import Call, MeasuringClient
from harness.kube.wait import Bound

PAUSE_S: Final = 0.02
"""Between two requests: short against any change of configuration, and no load."""


class Traffic:
    """Sends one call after another in a thread of its own, between `with` and its end. Answers are kept, and recorded nowhere else."""

    def __init__(self, client: MeasuringClient, call: Call) -> None:
        self._client = client
        self._call = call
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self.answers: list[Exchange] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def await_status(self, status: int, bound: Bound) -> bool:
        """Wait until the latest answer has this status; whether one did within the bound."""
        with self._news:
            return self._news.wait_for(lambda: bool(self.answers) and self.answers[-1].status == status, bound.seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            answer = self._client.send(self._call)
            with self._news:
                self.answers.append(answer)
                self._news.notify_all()
            self._stop.wait(PAUSE_S)
