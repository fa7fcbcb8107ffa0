"""`maas-conformance down`: the end of what `up --detach` started."""

import sys
import time
from typing import TYPE_CHECKING

import click

from harness.outcome import ExitCode, UsageFault

if TYPE_CHECKING:
    from harness.platforms.remains import RunRecord


@click.command("down", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run_id", required=False)
@click.option("--all", "everything", is_flag=True, help="Stop every platform that `up --detach` started.")
def command(run_id: str | None, *, everything: bool) -> int:
    """Stop the platform that `up --detach` started, and remove its files; RUN_ID says which when there are several."""
    from harness.platforms.detached import detached_runs, stop_detached

    if everything and run_id:
        raise UsageFault(f"--all stops every platform, so no id goes with it: leave --all or {run_id} away")
    running = detached_runs()
    chosen = running if everything else _chosen(running, run_id)
    for run in chosen:
        forced = stop_detached(run)
        note = f" (had to be ended by force: {', '.join(forced)})" if forced else ""
        sys.stdout.write(f"stopped {run.run_id}{note}\n")
    if not chosen:
        sys.stdout.write("no detached platform is running\n")
    return ExitCode.CONFORMANT


def _chosen(running: "list[RunRecord]", run_id: str | None) -> "list[RunRecord]":
    """The one that is meant, or none where none runs. Raises UsageFault for an unknown id, and for no id where several run."""
    if run_id:
        chosen = [run for run in running if run.run_id == run_id]
        if not chosen:
            known = ", ".join(run.run_id for run in running) or "none is running"
            raise UsageFault(f"no detached platform is called {run_id}; running: {known}")
        return chosen
    if len(running) > 1:
        raise UsageFault(
            f"{len(running)} detached platforms are running; end one with `maas-conformance down {running[0].run_id}`, all of them with "
            "`maas-conformance down --all`:\n" + "\n".join(map(_line, running))
        )
    return running


def _line(run: "RunRecord") -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.supervisor.started))
    return f"  {run.run_id}  since {since}  (process {run.supervisor.pid}, {run.folder})"
