"""The command line of the kubelet stand-in."""

import logging
import os
import shutil
from pathlib import Path

import click
import uvloop
from prometheus_client import CollectorRegistry

from harness.simulator.component import die_with_parent, place
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.connection import UnusableConnectionError, connect
from harness.simulator.controllers.runtime.controller import Manager
from harness.simulator.controllers.runtime.kind import ENDPOINT_SLICE, SECRET
from harness.simulator.controllers.runtime.lifetime import run_until_stopped
from harness.simulator.controllers.runtime.manifest import Manifest
from harness.simulator.controllers.runtime.scrape import scraped
from harness.simulator.kubelet.child import Nurseries
from harness.simulator.kubelet.launch import MOCK, Launch, Runtime, mock_launch, vllm_launch
from harness.simulator.kubelet.platform import API, Surroundings, module_of, platform_launch
from harness.simulator.kubelet.process import free_port
from harness.simulator.kubelet.reconciler import install

STOP_GRACE_S = 1.0


class UnreadyMachine(click.ClickException):
    """The machine lacks something: exit code 3."""

    exit_code = 3


@click.command(help="Run the containers of Deployments as local processes, and report their Pods and EndpointSlices.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: the ServiceAccount of the Pod.")
@click.option(
    "--dir", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), help="Logs and state."
)
@click.option("--runtime", type=click.Choice(["mock", "vllm"]), default="mock", show_default=True)
@click.option("--ready-file", type=click.Path(path_type=Path), help="Where to announce that it runs.")
@click.option("--bind", default="127.0.0.1:0", show_default=True, help="HOST:PORT of the metrics.")
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
def main(
    kubeconfig: Path | None, folder: Path, runtime: Runtime, ready_file: Path | None, bind: str, log_level: str
) -> None:
    """Read the options and run until SIGTERM."""
    # libraries stay quiet at any level: their debug lines hold request headers
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("harness").setLevel(log_level.upper())
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        die_with_parent()
    if runtime == "vllm" and shutil.which("vllm") is None:
        raise UnreadyMachine("--runtime vllm needs the command vllm on the PATH: install vLLM, or use --runtime mock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"cannot use --dir {folder}: {error.strerror}") from error
    try:
        where = place(bind)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--bind") from error
    try:
        uvloop.run(run(kubeconfig, folder.resolve(), runtime, ready_file, where))
    except UnusableConnectionError as error:
        raise click.ClickException(str(error)) from error


async def run(
    kubeconfig: Path | None, folder: Path, runtime: Runtime, ready_file: Path | None, bind: tuple[str, int]
) -> None:
    """Run until SIGTERM, then end every process."""
    registry = CollectorRegistry()
    manager = Manager(Cluster(connect(kubeconfig, "kubelet")), registry)
    around = Surroundings(
        manager.cluster.informer(SECRET).store, manager.cluster.informer(ENDPOINT_SLICE).store, kubeconfig
    )

    def launcher(pod: Manifest, ready: Path) -> Launch:
        module = module_of(pod)
        if module is not None:
            return platform_launch(pod, module, ready, around)
        return mock_launch(pod, ready) if runtime == "mock" else vllm_launch(pod, free_port())

    nurseries = Nurseries(MOCK, API)
    pods = install(manager, folder, launcher, nurseries)
    if runtime == "mock":
        await nurseries.prepare(MOCK)
    with scraped(registry, bind) as metrics:
        try:
            await run_until_stopped(manager, ready_file, {"metrics": metrics})
        finally:
            await pods.stop(STOP_GRACE_S)
