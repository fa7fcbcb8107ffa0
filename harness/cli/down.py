"""`maas-conformance down`: the end of what `up --detach` started."""

import sys

import click

from harness.outcome import ExitCode, UsageFault


@click.command("down", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run_id", required=False)
def command(run_id: str | None) -> int:
    """Stop the platforms that `up --detach` started, or the one named RUN_ID, and remove their files."""
    from harness.platforms.detached import detached_runs, stop_detached

    running = detached_runs()
    chosen = [run for run in running if run_id in (None, run.run_id)]
    if run_id and not chosen:
        known = ", ".join(run.run_id for run in running) or "none is running"
        raise UsageFault(f"no detached platform is called {run_id}; running: {known}")
    for run in chosen:
        forced = stop_detached(run)
        note = f" (had to be ended by force: {', '.join(forced)})" if forced else ""
        sys.stdout.write(f"stopped {run.run_id}{note}\n")
    if not chosen:
        sys.stdout.write("no detached platform is running\n")
    return ExitCode.CONFORMANT
