"""Light traffic while something is taken away: who is served and who is not, before, meanwhile and afterwards."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant, NotReady
from harness.kube.wait import Bound
from harness.world.expectations import describe

PACE_S: Final = 0.02
"""Between two requests of one caller: enough to show a gap of a tenth of a second, and no load."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One exchange and when it began and ended, in monotonic seconds."""

    began: float
    ended: float
    exchange: Exchange


class Calling:
    """One thread a caller for the length of a `with` block, each sending one request after another."""

    def __init__(self, callers: Mapping[str, Callable[[], Exchange]]) -> None:
        self._answers: dict[str, list[_Answer]] = {name: [] for name in callers}
        self._faults: list[BaseException] = []
        self._changed = threading.Condition(threading.RLock())
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._drive, args=(name, send), name=f"traffic of {name}", daemon=True)
            for name, send in callers.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _drive(self, name: str, send: Callable[[], Exchange]) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            try:
                exchange = send()
            except BaseException as error:  # noqa: BLE001 - told to the check, whose thread this is not
                with self._changed:
                    self._faults.append(error)
                    self._changed.notify_all()
                return
            with self._changed:
                self._answers[name].append(_Answer(began, time.monotonic(), exchange))
                self._changed.notify_all()
            self._ending.wait(PACE_S)

    def of(self, name: str) -> list[Exchange]:
        """All answers of this caller."""
        return [answer.exchange for answer in self._since(name, 0.0)]

    def gather(self, count: int, bound: Bound) -> dict[str, list[Exchange]]:
        """So many further answers of every caller, all to requests that are sent from now on. Raises NotReady when they do not come."""
        return self._gather(count, bound, time.monotonic())

    def first(self, count: int, bound: Bound) -> dict[str, list[Exchange]]:
        """So many answers of every caller, from the first request on. Raises NotReady when they do not come."""
        return self._gather(count, bound, 0.0)

    def _gather(self, count: int, bound: Bound, since: float) -> dict[str, list[Exchange]]:
        self._wait(lambda: all(len(self._since(name, since)) >= count for name in self._answers), bound)
        return {name: [answer.exchange for answer in self._since(name, since)] for name in self._answers}

    def until_served(self, name: str, bound: Bound) -> float:
        """Seconds until this caller is served again, from now. Raises NotConformant when the bound passes."""
        since = time.monotonic()
        served: Callable[[], list[float]] = lambda: [  # noqa: E731 - one expression, asked twice
            answer.ended for answer in self._since(name, since) if answer.exchange.status == 200
        ]
        try:
            self._wait(lambda: bool(served()), bound)
        except NotReady as late:
            last = self.of(name)[-1]
            raise NotConformant(
                expected=f"traffic is back within {bound.seconds:g} s ({bound.name})",
                observed=f"the last answer is {describe(last)}",
                exchange=last,
            ) from late
        return served()[0] - since

    def _since(self, name: str, moment: float) -> list[_Answer]:
        with self._changed:
            return [answer for answer in self._answers[name] if answer.began >= moment]

    def _wait(self, holds: Callable[[], bool], bound: Bound) -> None:
        deadline = time.monotonic() + bound.seconds
        with self._changed:
            while not holds():
                if self._faults:
                    raise self._faults[0]
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise NotReady(f"not so many answers within {bound.seconds:g} s ({bound.name})")
