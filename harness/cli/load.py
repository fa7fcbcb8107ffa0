"""`maas-conformance load`: a load with a verdict at its end."""

import json
import secrets
import sys
from pathlib import Path
from typing import Any, Final

import click

from harness.cli.out_folder import out_folder
from harness.platforms.target import TargetOptions

OUT: Final = "maas-load"


def _settings(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    wrong = [name for name, separator, _ in pairs if not separator or not name]
    if wrong:
        raise click.BadParameter(f"expected FIELD=VALUE, got {wrong[0]!r}", context, parameter)
    return {name: text for name, _, text in pairs}


@click.command("load", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--profile", "name", default="throughput", show_default=True, help="Name of a profile, or a YAML file.")
@click.option(
    "--target",
    type=click.Choice(["embedded", "kind", "cluster", "endpoint"]),
    default="embedded",
    show_default=True,
    help="Where the platform is.",
)
@click.option(
    "--platform", "platform_file", type=click.Path(path_type=Path), help="A running platform, as `up` writes it."
)
@click.option("--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), help="Kubeconfig of the cluster.")
@click.option("--gateway", metavar="URL", help="Base URL of the MaaS gateway.")
@click.option("--management", metavar="URL", help="Base URL of maas-api.")
@click.option("--environment", type=click.Path(path_type=Path), help="URLs and credentials of a hosted platform.")
@click.option("--scale", type=click.FloatRange(0, min_open=True), default=1.0, help="Multiply the profile's rate.")
@click.option(
    "--set", "changes", multiple=True, callback=_settings, metavar="FIELD=VALUE", help="Change a field of the profile."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=OUT, show_default=True, help="Reports."
)
@click.option("--json", "as_json", is_flag=True, help="Print summary.json to standard output.")
def command(*, name: str, scale: float, changes: dict[str, str], out: Path, as_json: bool, **where: Any) -> int:
    """Drive a load profile and end with a verdict: 0 passed, 1 target missed, 5 nothing can be concluded."""
    from harness.load.profile import read_profile
    from harness.load.profiles import profile_path

    profile = read_profile(profile_path(name), changes).scaled(scale)
    with out_folder(out):
        return _drive(profile, out, where, as_json=as_json)


def _drive(profile: Any, out: Path, where: dict[str, Any], *, as_json: bool) -> int:
    from harness.load.drive import drive
    from harness.load.report import exit_code, lines, summary, write_summary
    from harness.world.estate import Estate

    with _opened(where) as platform:
        estate = Estate(platform, run_id=secrets.token_hex(6), worker="load")
        try:
            driven = drive(estate, profile, out, _progress)
        finally:
            estate.leave()
    write_summary(driven, out)
    if as_json:
        sys.stdout.write(json.dumps(summary(driven), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(lines(driven)) + "\n")
    return exit_code(driven)


def _opened(where: dict[str, Any]) -> Any:
    """The running platform of a file, which stays; or a target, opened for the length of the load."""
    from contextlib import nullcontext

    from harness.platforms.platform import Platform
    from harness.platforms.target import open_target

    if where["platform_file"] is not None:
        return nullcontext(Platform.load(where["platform_file"]))
    options = TargetOptions(
        target=where["target"],
        kubeconfig=where["kubeconfig"],
        gateway_url=where["gateway"],
        management_url=where["management"],
        environment=where["environment"],
    )
    return open_target(options, _progress)


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
