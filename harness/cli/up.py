"""`maas-conformance up`: a platform on this machine, and what a person needs to use it."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import click

from harness.outcome import ExitCode, InvalidRun, UsageFault
from harness.platforms.target import Progress, TargetOptions

WATCH_INTERVAL_S: Final = 0.5


def _settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator or not key:
            raise click.BadParameter(f"expected KEY=VALUE, got {value!r}", context, parameter)
        settings[key] = text
    return settings


@click.command("up", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--target",
    type=click.Choice(["embedded", "kind"]),
    default="embedded",
    show_default=True,
    help="Where the platform runs.",
)
@click.option("--detach", is_flag=True, help="Return when it is ready; `down` stops it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--gateway-port", type=click.IntRange(0, 65535), default=0, help="Port of the MaaS gateway; 0 takes a free one."
)
@click.option(
    "--world",
    "worlds",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Manifest file or folder instead of the default world; repeatable.",
)
@click.option("--only", type=click.Choice(["kube"]), help="kube: the Kubernetes API alone.")
@click.option(
    "--backend", type=click.Choice(["mock", "vllm"]), default="mock", show_default=True, help="What serves the models."
)
@click.option(
    "--gpu-profile", type=click.Path(path_type=Path), help="Add the GPU model of this profile (name or file)."
)
@click.option(
    "--environment",
    type=click.Path(path_type=Path),
    help="Settings file of the target (kind: fixtures/kind/settings.example.yaml).",
)
@click.option(
    "--state-dir", type=click.Path(path_type=Path, file_okay=False), help="Folder for logs and private files."
)
@click.option("--keep", is_flag=True, help="Keep the files (kind: the cluster) when it ends.")
@click.option("--dry-run", is_flag=True, help="Print every step instead of taking it (kind).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_settings,
    metavar="KEY=VALUE",
    help="A setting of the target; repeatable.",
)
@click.option(
    "--quirks", metavar="none|upstream|ROW,...", help="Weaknesses of upstream that the embedded platform repeats."
)
@click.option(
    "--kube-api", type=click.Choice(["own", "envtest"]), help="The embedded platform's Kubernetes API.  [default: own]"
)
@click.option("--announce-and-detach", "detached", is_flag=True, hidden=True)
def command(
    *,
    detach: bool,
    as_json: bool,
    detached: bool,
    only: str | None,
    quirks: str | None,
    kube_api: str | None,
    **chosen: Any,
) -> int:
    """Start a MaaS platform on this machine and say how to use it.

    Stays until Ctrl-C and then leaves nothing behind; with --detach it returns, and `maas-conformance down` stops the platform.
    """
    options = TargetOptions(**chosen)
    if quirks is not None:
        options.settings["quirks"] = quirks
    if kube_api is not None:
        options.settings["kube-api"] = kube_api
    if options.dry_run:
        return _print_plan(options)
    if detach:
        from harness.platforms.detached import start_detached

        shown = start_detached(_repeated(options, only))
        sys.stdout.write(_text(shown, as_json=as_json))
        _progress(f"`maas-conformance down {shown['run_id']}` stops it")
        return ExitCode.CONFORMANT
    return _stay(options, only, as_json=as_json, detached=detached)


def _repeated(options: TargetOptions, only: str | None) -> list[str]:
    """The command line of the process that will own the platform."""
    words = ["up", "--announce-and-detach", f"--target={options.target}", f"--backend={options.backend}"]
    words += [f"--gateway-port={options.gateway_port}", *(f"--world={world.absolute()}" for world in options.worlds)]
    words += [f"--only={only}"] if only else []
    words += [f"--gpu-profile={options.gpu_profile}"] if options.gpu_profile else []
    words += [f"--environment={options.environment.absolute()}"] if options.environment else []
    words += [f"--state-dir={options.state_dir.absolute()}"] if options.state_dir else []
    words += ["--keep"] if options.keep else []
    return words + [f"--set={key}={text}" for key, text in options.settings.items()]


def _stay(options: TargetOptions, only: str | None, *, as_json: bool, detached: bool) -> int:
    from harness.platforms.detached import hand_over, hold
    from harness.platforms.liveness import dead_component, died
    from harness.platforms.platform import Platform
    from harness.platforms.target import open_target

    opener: Callable[[TargetOptions, Progress], AbstractContextManager[Any]] = open_target
    if only == "kube":
        from harness.platforms.embedded.kube_only import kube_only

        opener = kube_only
    try:
        with opener(options, _progress) as platform:
            mine = hold()
            shown = {"run_id": mine.run_id, **_shown(platform, introduce_people=only is None)}
            if detached:
                hand_over(mine, shown)
            else:
                sys.stdout.write(_text(shown, as_json=as_json))
                sys.stdout.flush()
                _progress("running; Ctrl-C stops it")
            while True:
                time.sleep(WATCH_INTERVAL_S)
                whole = isinstance(platform, Platform)
                dead = died(platform) if whole else dead_component(platform.processes, platform.logs)
                if dead:
                    raise InvalidRun(f"the platform stopped: {dead}")
    except KeyboardInterrupt:
        _progress(_farewell(options))
        return ExitCode.CONFORMANT


def _farewell(options: TargetOptions) -> str:
    if options.keep:
        return "stopped; its files are kept"
    if options.state_dir is not None:
        return f"stopped; nothing is left but its logs in {options.state_dir / 'logs'}"
    return "stopped, nothing left behind"


def _shown(platform: Any, *, introduce_people: bool) -> dict[str, Any]:
    """What `up` says, as data; credentials in clear, because to hand them out is its purpose."""
    shown: dict[str, Any] = {"kubeconfig": str(platform.kubeconfig)}
    if not introduce_people:
        return shown
    from harness.platforms.introduction import BUDGETS, SPENDER, introduce
    from harness.platforms.platform import reveal

    introduction = introduce(platform)
    return shown | {
        "gateway_url": platform.endpoints.gateway,
        "gateway_tls_url": platform.endpoints.gateway_tls,
        "ca_file": str(platform.ca_file) if platform.ca_file else None,
        "management_url": platform.endpoints.management,
        "user_token": introduction.user_token.reveal(),
        "admin_token": introduction.admin_token.reveal(),
        "api_key": reveal(introduction.api_key),
        "second_api_key": reveal(introduction.second_api_key),
        "exhaustible_api_key": reveal(introduction.exhaustible_api_key),
        "exhaustible_tokens": BUDGETS[SPENDER][1],
        "models": [model.model_dump() for model in platform.models],
        "standard_gateway_url": platform.endpoints.standard_gateway,
        "issuer_url": platform.endpoints.issuer,
        "issuer_admin_url": platform.endpoints.issuer_admin,
        "startup_s": platform.startup_s,
        "examples": [{"status": status, "curl": line} for status, line in introduction.examples],
    }


def _text(shown: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(shown, indent=2) + "\n"
    lines = [f"export KUBECONFIG={shown['kubeconfig']}"]
    if "gateway_url" in shown:
        lines += [
            f"export MAAS_GATEWAY={shown['gateway_url']}",
            f"export MAAS_MANAGEMENT={shown['management_url']}",
            *([f"export MAAS_GATEWAY_TLS={shown['gateway_tls_url']}"] if shown["gateway_tls_url"] else []),
            *([f"export MAAS_CA_FILE={shown['ca_file']}"] if shown["ca_file"] else []),
            *([f"export MAAS_ISSUER={shown['issuer_url']}"] if shown["issuer_url"] else []),
            *([f"export MAAS_ISSUER_ADMIN={shown['issuer_admin_url']}"] if shown["issuer_admin_url"] else []),
            f"export MAAS_USER_TOKEN={shown['user_token']}",
            f"export MAAS_ADMIN_TOKEN={shown['admin_token']}",
            *(
                [
                    f"export MAAS_API_KEY={shown['api_key']}",
                    f"export MAAS_SECOND_API_KEY={shown['second_api_key']}",
                    f"export MAAS_EXHAUSTIBLE_API_KEY={shown['exhaustible_api_key']}",
                ]
                if shown["api_key"]
                else ["# no model is Ready, so there is no key yet"]
            ),
            "",
            *(f"# {model['model_id']} at {model['path']}" for model in shown["models"]),
        ]
        for example in shown["examples"]:
            lines += ["", f"# answers {example['status']}", example["curl"]]
    return "\n".join(lines) + "\n"


def _print_plan(options: TargetOptions) -> int:
    if options.target != "kind":
        raise UsageFault(f"--dry-run prints the steps of --target kind; the target {options.target} has none to print")
    from harness.platforms.kind import plan_text

    sys.stdout.write(plan_text(options))
    return ExitCode.CONFORMANT


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
