"""Whether a platform on this machine still lives, from any process that holds its Platform value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.platforms.lease import ProcessRecord
from harness.platforms.platform import LocalProcess

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
