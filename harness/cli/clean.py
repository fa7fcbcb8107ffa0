"""`maas-conformance clean`: what killed runs left, on this machine and (asked for) in a cluster and in a Keycloak."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.run import setting_pairs
from harness.outcome import EnvironmentFault, ExitCode, UsageFault

if TYPE_CHECKING:
    from harness.platforms.keycloak import TrustedKeycloak

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
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=setting_pairs,
    help="As for `run`, what names a Keycloak (docs/oidc.md): also remove what carries the mark of a run there; repeatable.",
)
@click.option(
    "--environment",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The kind target's settings, where they name the Keycloak.",
)
@click.option("--run", "run_id", help="In the cluster and in Keycloak, only what this run made.")
@click.option(
    "--older-than",
    "older_than_s",
    type=click.FloatRange(min=0),
    help="In the cluster and in Keycloak, only what was made at least so many seconds ago: a younger run may still be at work.  "
    "[default: 3600; with --run 0]",
)
def command(
    kubeconfig: Path | None,
    settings: tuple[str, ...],
    environment: Path | None,
    run_id: str | None,
    older_than_s: float | None,
) -> int:
    """Remove the processes and files of runs that were killed; runs that are alive are not touched."""
    keycloak = _keycloak(settings, environment)
    if kubeconfig is None and keycloak is None and (run_id is not None or older_than_s is not None):
        raise UsageFault(
            "--run and --older-than choose objects in a cluster or a Keycloak: name it with --kubeconfig FILE, or with the --set of the run"
        )
    _clean_machine()
    spared_s = (0.0 if run_id else YOUNG_S) if older_than_s is None else older_than_s
    if kubeconfig is not None:
        _clean_cluster(kubeconfig, run_id, spared_s)
    if keycloak is not None:
        _clean_keycloak(keycloak, run_id, spared_s)
    return ExitCode.CONFORMANT


def _clean_machine() -> None:
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


def _keycloak(chosen: tuple[str, ...], environment: Path | None) -> "TrustedKeycloak | None":
    """The Keycloak that a run is told of by the same options. Raises UsageFault for options that name none."""
    if not chosen and environment is None:
        return None
    from harness.platforms.issuer import ISSUER_SETTINGS, keycloak_in
    from harness.platforms.kind.settings import kind_settings
    from harness.platforms.settings import require_known

    settings = {name: text for name, _, text in (pair.partition("=") for pair in chosen)}
    require_known(settings, ISSUER_SETTINGS, "command clean")
    named = kind_settings(environment, {}).issuer if environment else {}
    found = keycloak_in({**named, **settings})
    if found is None:
        raise UsageFault(
            "a Keycloak is cleaned by an administrator: set keycloak-admin-client and keycloak-admin-secret-file too"
        )
    return found


def _clean_keycloak(trusted: "TrustedKeycloak", run_id: str | None, older_than_s: float) -> None:
    from harness.client.keycloak import KeycloakError
    from harness.platforms.keycloak_remains import sweep

    try:
        with trusted.connected() as keycloak:
            removed = sweep(keycloak, trusted.realm, run_id=run_id, older_than_s=older_than_s)
    except (KeycloakError, OSError) as error:
        raise EnvironmentFault(str(error)) from error
    for entry in removed:
        sys.stdout.write(f"deleted {entry}\n")
    if not removed:
        sys.stdout.write(f"nothing was left behind in {trusted.url}\n")
