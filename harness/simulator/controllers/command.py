"""The command line of the controllers: `maas`, `kserve`, or `all` of them in one process."""

import contextlib
import logging
import os
import re
from pathlib import Path
from typing import Literal

import click
import uvloop
from prometheus_client import CollectorRegistry

from harness.simulator.component import die_with_parent
from harness.simulator.controllers.kserve import reconciler as kserve
from harness.simulator.controllers.kserve.route import GatewayRef
from harness.simulator.controllers.maas import installation as maas
from harness.simulator.controllers.maas.names import Settings
from harness.simulator.controllers.maas.quirks import Quirks, parse
from harness.simulator.controllers.maas.webhook import Webhook
from harness.simulator.controllers.runtime.cluster import Cluster
from harness.simulator.controllers.runtime.connection import UnusableConnectionError, connect
from harness.simulator.controllers.runtime.controller import Manager
from harness.simulator.controllers.runtime.event import Recorder
from harness.simulator.controllers.runtime.lifetime import run_until_stopped
from harness.simulator.controllers.runtime.manifest import Key
from harness.simulator.controllers.runtime.scrape import scraped

Part = Literal["maas", "kserve", "all"]


@click.command(
    help="Run the control plane of the reference platform: the MaaS controller, the KServe stand-in, or both."
)
@click.argument("part", type=click.Choice(["maas", "kserve", "all"]))
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Default: the ServiceAccount of the Pod.")
@click.option("--ready-file", type=click.Path(path_type=Path), help="Where to announce the metrics endpoint.")
@click.option(
    "--bind", default="127.0.0.1:0", show_default=True, help="HOST:PORT of the metrics; port 0 takes a free one."
)
@click.option("--log-level", default="info", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--subscription-namespace", default="models-as-a-service", show_default=True)
@click.option("--gateway", default="openshift-ingress/maas-default-gateway", show_default=True, help="NAMESPACE/NAME")
@click.option("--standard-gateway", default="openshift-ingress/openshift-ai-inference", show_default=True)
@click.option("--infra-namespace", default="odh-ai-gateway-infra", show_default=True)
@click.option("--aitenant-namespace", default="ai-tenants", show_default=True)
@click.option("--audience", default="https://kubernetes.default.svc", show_default=True)
@click.option("--model-image", default="maas-conformance/mock-vllm:latest", show_default=True)
@click.option(
    "--api-image",
    envvar="API_IMAGE",
    default="maas-conformance/reference:dev",
    show_default=True,
    help="Image of the maas-api of each tenant.",
)
@click.option(
    "--api-account",
    default="maas-reference",
    show_default=True,
    help="ServiceAccount of maas-api in the infra namespace.",
)
@click.option(
    "--deletion-timeout",
    envvar="AITENANT_DELETION_TIMEOUT",
    default="10m",
    show_default=True,
    help="How long the deletion of a tenant may be blocked before it is forced, such as 10m; 0 never forces it.",
)
@click.option(
    "--control-namespace", default="opendatahub", show_default=True, help="Where the webhook's Service lives."
)
@click.option(
    "--webhook-bind",
    help="HOST:PORT of the admission webhook, `off` for none. Default: 127.0.0.1:0 with a kubeconfig, off in a Pod.",
)
@click.option(
    "--quirks", default="none", show_default=True, help="`upstream`, or requirement ids: repeat its weaknesses."
)
def main(
    part: Part,
    kubeconfig: Path | None,
    ready_file: Path | None,
    bind: str,
    log_level: str,
    webhook_bind: str | None,
    **options: str,
) -> None:
    """Read the options and run until SIGTERM."""
    # libraries stay quiet at any level: their debug lines hold request headers
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("harness").setLevel(log_level.upper())
    if os.environ.get("MAAS_DIE_WITH_PARENT") == "1":
        die_with_parent()
    host, port = endpoint(bind, "--bind")
    kserve_settings = kserve.Settings(GatewayRef(*named(options, "standard_gateway")), options["model_image"])
    chosen = webhook_bind or ("off" if kubeconfig is None else "127.0.0.1:0")
    webhook = None if chosen == "off" else endpoint(chosen, "--webhook-bind")
    maas_settings = Settings(
        control=options["control_namespace"],
        subscriptions=options["subscription_namespace"],
        gateway=named(options, "gateway"),
        infra=options["infra_namespace"],
        tenants=options["aitenant_namespace"],
        audience=options["audience"],
        quirks=chosen_quirks(options["quirks"]),
        api_image=options["api_image"],
        api_account=options["api_account"],
        deletion_timeout_s=duration(options["deletion_timeout"], "--deletion-timeout"),
    )
    try:
        uvloop.run(run(part, kubeconfig, ready_file, (host, port), webhook, kserve_settings, maas_settings))
    except UnusableConnectionError as error:
        raise click.ClickException(str(error)) from error


async def run(
    part: Part,
    kubeconfig: Path | None,
    ready_file: Path | None,
    bind: tuple[str, int],
    webhook_bind: tuple[str, int] | None,
    kserve_settings: kserve.Settings,
    maas_settings: Settings,
) -> None:
    """Run the chosen controllers until SIGTERM; announced when memory is complete."""
    registry = CollectorRegistry()
    manager = Manager(Cluster(connect(kubeconfig, f"{part}-controller")), registry)
    webhook: Webhook | None = None
    if part in ("kserve", "all"):
        kserve.install(manager, Recorder(manager.cluster, "LLMInferenceServiceController"), kserve_settings)
    if part in ("maas", "all"):
        recorder = Recorder(manager.cluster, "maas-controller")
        webhook = maas.install(manager, recorder, maas_settings, webhook_bind)
    with scraped(registry, bind) as metrics:
        async with webhook.serving() if webhook is not None else contextlib.nullcontext():
            await run_until_stopped(manager, ready_file, {"metrics": metrics})


def chosen_quirks(text: str) -> Quirks:
    """The quirks of an option. Raises click.BadParameter with what is known."""
    try:
        return parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--quirks") from error


def duration(text: str, option: str) -> float:
    """Seconds of a duration such as `90s`, `10m` or `1h30m`; 0 is 0. Raises click.BadParameter with what was expected."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    if text == "0":
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d+)?(h|ms|m|s))+", text):
        raise click.BadParameter(f"expected a duration such as 10m, or 0, got {text!r}", param_hint=option)
    return sum(float(number) * units[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)(h|ms|m|s)", text))


def endpoint(text: str, option: str) -> tuple[str, int]:
    """HOST and PORT of an option. Raises click.BadParameter with what was expected."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT such as 127.0.0.1:0, got {text!r}", param_hint=option)
    return host.strip("[]"), int(port)


def named(options: dict[str, str], name: str) -> Key:
    """NAMESPACE/NAME of an option. Raises click.BadParameter with what was expected."""
    parts = options[name].split("/")
    if len(parts) != 2 or not all(parts):
        hint = "--" + name.replace("_", "-")
        raise click.BadParameter(f"expected NAMESPACE/NAME, got {options[name]!r}", param_hint=hint)
    return Key(*parts)
