"""Checks that run alone: after all others have come to a verdict, one at a time, while no other check runs.

A disruptive check (it stops a component of the platform) would fail its neighbours. Without workers the order of the items is enough. A
test worker lets such an item pass when its turn comes, which costs nothing and blocks nobody's queue; once its queue is empty, the first
worker that has time takes the turn for all of them, waits until the controller says that the others are finished, and runs them in order.
Every worker has collected every item, so it does not matter who was dealt them. Should that worker die, the one that replaces it goes on
with those that were not begun.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from filelock import FileLock, Timeout

from harness.engine.declaration import declaration_of

POLL_S: Final = 0.02
LONELY_S: Final = 20.0
"""With no other worker for that long, nobody is left who could finish the other checks: a dead one is replaced within seconds."""


class AloneTurn:
    """Files in the run's private folder: who has the turn, what was begun, and whether the others have finished."""

    def __init__(self, folder: Path) -> None:
        self._finished = folder / "others-finished"
        self._given_up = folder / "nothing-more"
        self._begun = folder / "begun-alone"
        self._folder = folder
        self._lock = FileLock(folder / "alone.lock")

    # the controller's side

    def open(self) -> None:
        """All other checks have come to a verdict."""
        self._finished.touch()

    def give_up(self) -> None:
        """The run ends before the others have finished."""
        self._given_up.touch()

    # a worker's side

    def take(self) -> bool:
        """Whether this worker has the turn now; it keeps it until it ends or calls `leave`."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def leave(self) -> None:
        """Let another worker have the turn."""
        self._lock.release()

    def wait(self) -> bool:
        """Return when the others have finished; False when they never will, or the session that would say so is gone."""
        parent, accompanied = os.getppid(), time.monotonic()
        while os.getppid() == parent and not self._given_up.exists():
            if self._finished.exists():
                return True
            if len(list(self._folder.glob("*.pid"))) > 1:
                accompanied = time.monotonic()
            elif time.monotonic() - accompanied > LONELY_S:
                return False
            time.sleep(POLL_S)
        return False

    def begin(self, check_id: str) -> None:
        """Note that this check is being run: a worker that it kills must not be followed by another one."""
        with self._begun.open("a", encoding="utf-8") as file:
            file.write(f"{check_id}\n")

    def begun(self) -> frozenset[str]:
        """Checks that somebody has begun."""
        return frozenset(self._begun.read_text(encoding="utf-8").splitlines()) if self._begun.exists() else frozenset()


class AloneChecks:
    """A pytest plugin of a test worker."""

    def __init__(self, turn: AloneTurn) -> None:
        self._turn = turn
        self._running = False

    def defers(self, item: pytest.Item) -> bool:
        """Whether this item waits until its worker's queue is empty."""
        return not self._running and is_alone(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Any:
        """After this worker's own queue, the checks that run alone, unless another worker has them or the run stops early."""
        result = yield
        waiting = [(index, item) for index, item in enumerate(session.items) if is_alone(item)]
        if waiting and not _stops(session) and self._turn.take():
            try:
                if len(waiting) == len(session.items) or self._turn.wait():
                    self._run(session, waiting)
            finally:
                self._turn.leave()
        return result

    def _run(self, session: pytest.Session, waiting: list[tuple[int, pytest.Item]]) -> None:
        self._running = True
        begun, name_item = self._turn.begun(), _namer(session.config)
        left = [(index, item) for index, item in waiting if item.nodeid not in begun]
        for position, (index, item) in enumerate(left):
            following = left[position + 1][1] if position + 1 < len(left) else None
            self._turn.begin(item.nodeid)
            name_item(index)
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if _stops(session):
                return


def is_alone(item: pytest.Item | None) -> bool:
    """Whether an item declares that nothing may run beside it."""
    declaration = declaration_of(item) if item is not None else None
    return declaration is not None and declaration.alone


def _stops(session: pytest.Session) -> bool:
    return bool(session.shouldfail or session.shouldstop)


def _namer(config: pytest.Config) -> Callable[[int], None]:
    """Tells xdist's worker which item runs: it adds the number to every report, and has no public way to be told."""
    plugins = [plugin for _, plugin in config.pluginmanager.list_name_plugin()]
    workers: list[Any] = [plugin for plugin in plugins if hasattr(plugin, "nextitem_index")]

    def name_item(index: int) -> None:
        for worker in workers:
            worker.item_index = index

    return name_item
