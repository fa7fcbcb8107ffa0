"""`maas-conformance diagnose`: why a model cannot be used, on any platform with a kubeconfig."""

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click
import orjson

from harness.diagnosis.step import Step
from harness.outcome import ExitCode, UsageFault

_MARKS: Final = {"ok": "ok     ", "wrong": "WRONG  ", "unknown": "unknown"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model")
@click.option(
    "--as", "user", help="Who calls, as Kubernetes names them; groups of ServiceAccounts follow from the name."
)
@click.option("--group", "groups", multiple=True, help="A group of the caller; repeatable.")
@click.option("--key", metavar="KEY|@FILE|-", help="Their API key or token; - reads standard input.")
@click.option("--subscription", help="The subscription that is asked for (X-MaaS-Subscription).")
@click.option(
    "--status", "symptom", type=click.Choice(["not-listed", "401", "403", "404", "429", "5xx"]),
    help="What the caller met: its likely causes are looked at first.",
)  # fmt: skip
@click.option(
    "--kubeconfig",
    type=click.Path(dir_okay=False),
    help="Kubeconfig of the cluster.  [default: of `up`, else $KUBECONFIG]",
)
@click.option("--context", help="A context of the kubeconfig.")
@click.option("--gateway", metavar="URL", help="Base URL of the MaaS gateway, to try the key.")
@click.option("--management", metavar="URL", help="Base URL of maas-api.  [default: GATEWAY/maas-api]")
@click.option("--limiter", metavar="URL", help="Admin URL of the reference limiter, to see what is left.")
@click.option(
    "--ca-file", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="CA of the gateway's certificate."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(**given: Any) -> int:
    """Say why MODEL cannot be used: the first thing that is wrong, the object and field, and the command that mends it.

    MODEL is a name, NAMESPACE/NAME, or the id of the model list. Exit 0: nothing is wrong; 1: something is. Spends no quota.
    """
    from harness.diagnosis.case import Case, Question
    from harness.diagnosis.course import diagnose

    credential = _credential(given["key"])
    sight, endpoints, ca_file = _platform(given)
    if not given["as_json"]:
        click.echo(f"looking at {sight.cluster.host}")
    question = Question(given["model"], given["user"], given["groups"], given["subscription"], credential)
    steps = []
    for step in diagnose(Case(question, sight, endpoints, ca_file), given["symptom"]):
        steps.append(step)
        if not given["as_json"]:
            click.echo("\n".join(_lines(step)))
    wrong = steps[-1].state == "wrong"
    if given["as_json"]:
        document = {
            "platform": sight.cluster.host,
            "model": question.model,
            "ok": not wrong,
            "steps": [asdict(step) for step in steps],
        }
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    elif not wrong:
        click.echo(_conclusion(steps, given))
    return ExitCode.NOT_CONFORMANT if wrong else ExitCode.CONFORMANT


def _lines(step: Step) -> list[str]:
    where = " ".join(filter(None, (step.object, step.field)))
    if step.state != "wrong":
        return [f"{_MARKS[step.state]}  {step.name}: {step.says}"]
    lines = [f"{_MARKS['wrong']}  {step.name}: {step.says}"]
    lines += [f"  where    {where}"] if where else []
    return lines + ([f"  mend     {step.mend}"] if step.mend else [])


def _conclusion(steps: list[Step], given: dict[str, Any]) -> str:
    unseen = sum(step.state == "unknown" for step in steps)
    text = "nothing is wrong" + (f" with what can be seen from here; {unseen} could not be looked at" if unseen else "")
    if given["user"] is None and given["key"] is None:
        text += "; name a caller (--as, --key) to go on"
    if given["symptom"]:
        text += f"; nothing here explains {given['symptom']}: a changed object is in force within a minute"
    return text


def _credential(given: str | None) -> Any:
    from harness.client.secret import Secret

    if given is None:
        return None
    text = given
    if given == "-":
        text = sys.stdin.readline()
    elif given.startswith("@"):
        try:
            text = Path(given[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageFault(
                f"cannot read the key from {given[1:]}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"
            ) from error
    if not text.strip():
        raise UsageFault("--key is empty: give a key, @FILE, or - for standard input")
    return Secret(text.strip())


def _platform(given: dict[str, Any]) -> tuple[Any, Any, Path | None]:
    """What is looked at: the cluster of the kubeconfig; where none is named, or that one, the platform that `up --detach` runs here."""
    from harness.diagnosis.sight import Sight
    from harness.kube.cluster import Cluster
    from harness.kube.fault import Rejected
    from harness.platforms import inventory
    from harness.platforms.platform import Endpoints

    named = given["kubeconfig"] or os.environ.get("KUBECONFIG")
    kubeconfig = Path(named).expanduser().absolute() if named else None
    running = None if given["context"] else _running(kubeconfig)
    if running is not None:
        return Sight(Cluster.connect(running.kubeconfig), running.namespaces), running.endpoints, running.ca_file
    if kubeconfig is None:
        raise UsageFault(
            "no platform to look at: give --kubeconfig FILE, set KUBECONFIG, or start one (`maas-conformance up --detach`)"
        )
    cluster = Cluster.connect(kubeconfig, context=given["context"])
    gateway = (given["gateway"] or "").rstrip("/")
    management = (given["management"] or f"{gateway}/maas-api").rstrip("/")
    endpoints = Endpoints(gateway=gateway, management=management, limiter_admin=given["limiter"]) if gateway else None
    try:
        models = inventory.governed_models(cluster)
    except Rejected as error:
        if error.status != 403:
            raise
        models = ()  # the first step says what this identity may not see
    places = inventory.namespaces(cluster, models)
    return Sight(cluster, places), endpoints, given["ca_file"]


def _running(kubeconfig: Path | None) -> Any:
    """The platform that `up` holds open here: that of the kubeconfig, or of none named the only one; None when there is no such.

    Raises UsageFault when several run and no kubeconfig says which.
    """
    from harness.platforms.detached import held_runs
    from harness.platforms.lease import PLATFORM_FILE
    from harness.platforms.platform import Platform

    files = [file for run in held_runs() if (file := run.folder / "state" / PLATFORM_FILE).is_file()]
    platforms = [Platform.load(file) for file in files]
    if kubeconfig is not None:
        return next((platform for platform in platforms if platform.kubeconfig == kubeconfig), None)
    if len(platforms) > 1:
        named = " or ".join(str(platform.kubeconfig) for platform in platforms)
        raise UsageFault(f"{len(platforms)} platforms are running: say which with --kubeconfig {named}")
    return platforms[0] if platforms else None
