"""`maas-conformance clean`: what killed runs left, on this machine and (asked for) in a cluster."""

import sys
from pathlib import Path

import click

from harness.outcome import ExitCode, UsageFault

DELETION_BOUND_S = 120.0
YOUNG_S = 3600.0
"""Of whom nobody says that they are dead: a run may take this long."""
CLEAN_SPARES_S = 2.0
"""A run locks its private folder at once; a younger folder may not be locked yet."""


@click.command("clean", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    help="Also remove from this cluster every object that carries the labels of a run.",
)
@click.option("--run", "run_id", help="In the cluster, only the objects of this run.")
@click.option(
    "--older-than",
    "older_than_s",
    type=click.FloatRange(min=0),
    help="In the cluster, only objects made at least so many seconds ago: a younger run may still be at work.  "
    "[default: 3600; with --run 0]",
)
def command(kubeconfig: Path | None, run_id: str | None, older_than_s: float | None) -> int:
    """Remove the processes and files of runs that were killed; runs that are alive are not touched."""
    if kubeconfig is None and (run_id is not None or older_than_s is not None):
        raise UsageFault("--run and --older-than choose objects in a cluster: name it with --kubeconfig FILE")
    from harness.engine.private_folder import FOLDER, sweep_sessions
    from harness.platforms.lease import state_home
    from harness.platforms.remains import kept_folders, live_runs, sweep_dead_runs

    sweep_sessions(state_home() / FOLDER, spared_s=CLEAN_SPARES_S)
    swept = sweep_dead_runs()
    for entry in swept:
        sys.stdout.write(f"swept {entry.run_id}: {', '.join(entry.processes) or 'no processes'}; {entry.folder}\n")
    if not swept:
        sys.stdout.write("nothing was left behind on this machine\n")
    for run in live_runs():
        sys.stdout.write(f"left alone: {run.run_id} is alive (process {run.supervisor.pid})\n")
    for folder in kept_folders():
        sys.stdout.write(f"left alone: {folder} was kept with --keep; remove it when it has served\n")
    if kubeconfig is not None:
        spared_s = (0.0 if run_id else YOUNG_S) if older_than_s is None else older_than_s
        _clean_cluster(kubeconfig, run_id, spared_s)
    return ExitCode.CONFORMANT


def _clean_cluster(kubeconfig: Path, run_id: str | None, older_than_s: float) -> None:
    from harness.kube.cluster import Cluster
    from harness.kube.janitor import sweep
    from harness.kube.wait import Bound

    cluster = Cluster.connect(kubeconfig)
    removed = sweep(
        cluster, run_id=run_id, older_than_s=older_than_s, bound=Bound("deletion_bound_s", DELETION_BOUND_S)
    )
    for ref in removed:
        sys.stdout.write(f"deleted {ref}\n")
    if not removed:
        sys.stdout.write(f"nothing was left behind in {cluster.host}\n")
