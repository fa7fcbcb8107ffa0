"""Whether a platform on this machine still lives, from any process that holds its Platform value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.outcome import Fault
from harness.platforms.lease import ProcessRecord
from harness.platforms.platform import LocalProcess, Platform

TAIL_CHARACTERS: Final = 2000


def dead_component(processes: Mapping[str, LocalProcess], logs: Mapping[str, Path]) -> str | None:
    """One sentence about the first component whose process has ended, with the end of its log; None while all live.

    Takes `Platform.processes` and `Platform.logs`; platforms elsewhere have no processes here, and nothing is said about them.
    """
    for name, process in processes.items():
        if ProcessRecord(name, process.pid, process.started).process() is not None:
            continue
        log = logs.get(name)
        tail = ""
        if log is not None and log.exists():
            text = log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:].rstrip()
            tail = f"; the end of {log}:\n{text}"
        return f"the component {name} (process {process.pid}) has ended{tail}"
    return None


def died(platform: Platform) -> str | None:
    """The same of a platform whose components may have been stopped and started on purpose: the process that holds it open knows."""
    dead = dead_component(platform.processes, platform.logs)
    if dead is None or platform.endpoints.components is None:
        return dead
    from harness.platforms.components import LocalComponents

    control = LocalComponents.of(platform)
    try:
        states = control.states() if control else ()
    except Fault:
        return dead  # whoever held it open is gone too
    ended = {state.name: LocalProcess(pid=state.pid or 0, started=0) for state in states if state.state == "ended"}
    return dead_component(ended, platform.logs)
