"""Whether a platform on this machine still lives, from any process that holds its Platform value."""

from harness.platforms.lease import ProcessRecord
from harness.platforms.platform import Platform

TAIL_BYTES = 2000


def dead_component(platform: Platform) -> str | None:
    """One sentence about the first component whose process has ended, with the end of its log; None while all live.

    Platforms elsewhere have no processes here, and nothing is said about them.
    """
    for name, process in platform.processes.items():
        if ProcessRecord(name, process.pid, process.started).process() is not None:
            continue
        log = platform.logs.get(name)
        tail = ""
        if log is not None and log.exists():
            tail = f"; the end of {log}:\n" + log.read_text(encoding="utf-8", errors="replace")[-TAIL_BYTES:].rstrip()
        return f"the component {name} (process {process.pid}) has ended{tail}"
    return None
