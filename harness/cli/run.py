"""`maas-conformance run`: pytest with the plugin on the packaged scenarios, our console in place of pytest's."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from harness.cli.out_folder import out_folder
from harness.cli.suite import base_arguments, scenarios, without_strangers
from harness.engine.options import BACKENDS, OUT, STACKS, TARGETS
from harness.outcome import ExitCode, HarnessFault, InvalidRun, UsageFault

MAX_WORKERS: Final = 8
"""More than these help little: checks wait for the network, and the platform wants cores too."""


RESUMED: Final = ".resumed"
"""Where the second session of a resumed run writes until it is joined with the first."""


def default_workers() -> int:
    """Two a core, because a check mostly waits for the platform; at most `MAX_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MAX_WORKERS, max(1, cores * 2))


def setting_pairs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Checked here as well, so that the sentence names the option as it was written."""
    for text in given:
        if not text.partition("=")[0] or "=" not in text:
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}")
    return given


def _part(_context: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    number, _, count = (given or "1/1").partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise click.BadParameter(f"expected I/N with I from 1 to N, such as 2/4, got {given!r}")
    return given


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which platform and which checks, for every command that needs them."""
    for option in reversed(_SELECTING):
        command = option(command)
    return command


_SELECTING: Final = (
    click.option("--target", type=click.Choice(TARGETS), help="Where the platform is.  [default: embedded]"),
    click.option("--stack", type=click.Choice(STACKS), help="What is installed there.  [default: reference]"),
    click.option(
        "--platform", type=click.Path(dir_okay=False), help="Judge the platform of this file, as `up` writes it."
    ),
    click.option("--profile", help="Which requirements are judged.  [default: full]"),
    click.option("--area", multiple=True, help="Judge this area only; repeatable."),
    click.option("--requirement", metavar="ID", multiple=True, help="Judge this requirement only; repeatable."),
    click.option("-k", "expression", metavar="EXPR", help="Only checks whose names match, as in pytest."),
    click.option("--gateway", metavar="URL", help="Base URL of the MaaS gateway."),
    click.option("--management", metavar="URL", help="Base URL of maas-api."),
    click.option("--kubeconfig", type=click.Path(dir_okay=False), help="Kubeconfig of the cluster."),
    click.option("--environment", type=click.Path(dir_okay=False), help="URLs and credentials of a hosted platform."),
    click.option(
        "--backend", type=click.Choice(BACKENDS), help="Model servers of the embedded target.  [default: mock]"
    ),
    click.option("--gpu-profile", type=click.Path(dir_okay=False), help="GPU profile for clusters."),
    click.option("--world", multiple=True, type=click.Path(), help="Manifests for an embedded platform; repeatable."),
    click.option(
        "--kube-api", type=click.Choice(["own", "envtest"]), help="The embedded platform's API server.  [default: own]"
    ),
    click.option(
        "--quirks", metavar="none|upstream|ROW,...", help="Weaknesses of upstream that an embedded platform repeats."
    ),
    click.option(
        "--set",
        multiple=True,
        metavar="NAME=VALUE",
        callback=setting_pairs,
        help="A setting of the target; repeatable.",
    ),
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@selecting
@click.option(
    "-n",
    "workers",
    type=click.IntRange(min=0),
    help="Test workers; 0: this process.  [default: 2 a core, at most 8]",
)
@click.option("--out", type=click.Path(file_okay=False), help=f"Folder of the reports.  [default: {OUT}]")
@click.option(
    "--json", "as_json", is_flag=True, help="Print summary.json to standard output, and progress to standard error."
)
@click.option("--shard", metavar="I/N", callback=_part, help="Judge the I-th of N parts; `report merge` joins them.")
@click.option("--resume", type=click.Path(file_okay=False), help="Go on with the interrupted run in this folder.")
@click.option(
    "--rerun-failed", type=click.Path(file_okay=False), help="Judge only what failed in the run in this folder."
)
@click.option(
    "--retries", type=click.IntRange(min=0), help="Attempts after the first for a failing check.  [default: 0]"
)
@click.option(
    "--known-failures",
    type=click.Path(dir_okay=False),
    help="Failures that are expected, each with an issue and a day of expiry; they never count as passed.",
)
@click.option(
    "--until-broken",
    metavar="ID",
    multiple=True,
    help="End as soon as this requirement was found broken; repeatable: as soon as all of them were.",
)
@click.option("--product", metavar="NAME", help="The product that is judged, for the report.")
@click.option("--product-version", metavar="VERSION", help="A report holds for this version alone.")
@click.option("--product-configuration", metavar="TEXT", help="... and for this configuration.")
@click.option("--organization", metavar="NAME", help="Whose product it is.")
@click.option("--seed", type=click.IntRange(min=0), help="Shuffle the checks by this number; reports name it.")
@click.option("--keep", is_flag=True, help="Keep what the run made: its objects and files, a kind cluster.")
@click.option("-q", "--quiet", is_flag=True, help="Tell the end alone.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every check and every requirement without one.")
def command(**given: Any) -> int:
    """Run the conformance checks against a platform and write the reports."""
    return judge(given)


def judge(given: dict[str, Any]) -> int:
    """Run pytest in this process; its exit code. Raises Fault when the run could not begin; later faults the console has told."""
    refuse_nonsense(given)
    if given["resume"]:
        if given["out"] or given["shard"] or given["rerun_failed"]:
            raise UsageFault(
                "--resume goes on in the folder of the interrupted run: leave --out, --shard and --rerun-failed away"
            )
        given = {**given, "out": str(Path(given["resume"]) / RESUMED)}
    if given["quiet"] and given["verbose"]:
        raise UsageFault("--quiet and --verbose contradict each other: give one")
    with out_folder(Path(given["out"] or os.environ.get("MAAS_OUT") or OUT)):
        return _judged(given)


def _judged(given: dict[str, Any]) -> int:
    import pytest

    from harness.engine.plugin import CONTROL

    holder = _Holder()
    with without_strangers():
        code = pytest.main(list(pytest_arguments(given)), plugins=[holder])
    control = holder.config.stash.get(CONTROL, None) if holder.config else None
    if control is None and code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt  # while pytest was being configured: nobody has said so yet
    if control is None:
        return ExitCode.USAGE  # pytest has said which option it refuses
    if isinstance(control.fault, UsageFault):
        if given["resume"]:
            shutil.rmtree(control.settings.out, ignore_errors=True)
        raise control.fault  # nothing was written: neither a report nor a word on the console
    finished = control.journal.record.finished
    if finished is None:
        raise InvalidRun(f"the run did not end (pytest said {int(code)}): see {control.settings.out / 'pytest.log'}")
    if control.journal.unwritten:
        raise HarnessFault(f"reports could not be written: {'; '.join(control.journal.unwritten)}")
    out, exit_code = control.settings.out, ExitCode(finished.exit_code)
    if given["resume"] and control.fault is not None:
        shutil.rmtree(out)
        return exit_code
    if given["resume"]:
        out, exit_code = Path(given["resume"]), _joined(Path(given["resume"]), out, quiet=given["as_json"])
    if given["as_json"]:
        click.echo((out / "summary.json").read_text(encoding="utf-8"), nl=False)
    return exit_code


def _joined(interrupted: Path, rest: Path, *, quiet: bool) -> ExitCode:
    """Make one run of an interrupted one and the session that went on where it ended; tells the end of the whole."""
    from harness.reporting.joining import join, write_joined
    from harness.reporting.outline import summary_lines
    from harness.reporting.regenerate import regenerate

    events = join([interrupted, rest], resumed=True)
    shutil.rmtree(rest)
    write_joined(events, interrupted)
    record = regenerate(events, interrupted)
    if not quiet:
        click.echo("\nthe whole run:")
        click.echo("\n".join(summary_lines(record, str(interrupted), -1)))
    return ExitCode(record.finished.exit_code) if record.finished else ExitCode.INVALID


def refuse_nonsense(given: dict[str, Any]) -> None:
    """What can be known to be wrong before pytest starts; it would say so less clearly, once a worker."""
    from harness.cli.choice import refuse_empty
    from harness.engine.journal import journal_files
    from harness.engine.known_failures import known_failures, refuse_unknown_checks

    if given.get("known_failures"):
        refuse_unknown_checks(known_failures(Path(given["known_failures"])), scenarios())
    _refuse_quirks(given)
    for earlier in filter(None, (given.get("resume"), given.get("rerun_failed"))):
        journal_files(Path(earlier))  # before a folder is made beside it
    refuse_empty(given, list(choosing_arguments(given)))


def _refuse_quirks(given: dict[str, Any]) -> None:
    """An unknown one, and any for a platform that runs already; other targets refuse the setting themselves."""
    from harness.platforms.embedded.quirks import chosen

    if given["quirks"] is None:
        return
    chosen(given["quirks"])
    if given["platform"]:
        raise UsageFault(
            "--quirks are chosen when a platform is started (up --quirks): leave them, or --platform, away"
        )


class _Holder:
    """Keeps pytest's configuration, from which the controller of the run is read afterwards."""

    config: Any = None

    def pytest_configure(self, config: Any) -> None:
        """Remember it."""
        self.config = config


def pytest_arguments(given: dict[str, Any]) -> Iterator[str]:
    """Pytest's whole command line."""
    workers = default_workers() if given["workers"] is None else given["workers"]
    yield from base_arguments()
    yield from ("--maas-own-console", "stderr" if given["as_json"] else "stdout", "-n", str(workers))
    if workers:
        yield from ("--dist", "worksteal")  # checks differ in length: nobody should wait for the longest queue
    if given["verbose"] or given["quiet"]:
        yield "-v" if given["verbose"] else "-q"
    if given["keep"]:
        yield "--maas-keep"
    for option in ("known_failures", "product", "product_version", "product_configuration", "organization"):
        if given.get(option) is not None:
            yield from (f"--maas-{option.replace('_', '-')}", given[option])
    for option in ("retries", "seed"):
        if given[option] is not None:
            yield from (f"--maas-{option}", str(given[option]))
    for requirement in given["until_broken"]:
        yield from ("--maas-until-broken", requirement)
    for option, name in (("out", "out"), ("shard", "shard"), ("rerun", "rerun_failed"), ("resume", "resume")):
        if given[name] is not None:
            yield from (f"--maas-{option}", given[name])
    yield from selection_arguments(given)


def choosing_arguments(given: dict[str, Any]) -> Iterator[str]:
    """Which checks."""
    if given["expression"]:
        yield from ("-k", given["expression"])
    if given["profile"] is not None:
        yield from ("--maas-profile", given["profile"])
    for name in ("area", "requirement"):
        for value in given[name]:
            yield from (f"--maas-{name}", value)


def selection_arguments(given: dict[str, Any]) -> Iterator[str]:
    """Which platform, and which checks: what `plan` takes too."""
    yield from choosing_arguments(given)
    if not given["platform"]:
        yield from ("--maas-target", given["target"] or os.environ.get("MAAS_TARGET") or "embedded")
    single = (
        "stack",
        "platform",
        "management",
        "gateway",
        "kubeconfig",
        "environment",
        "backend",
        "gpu_profile",
        "quirks",
        "kube_api",
    )
    for name in single:
        if given[name] is not None:
            yield from (f"--maas-{name.replace('_', '-')}", str(given[name]))
    for name in ("world", "set"):
        for value in given[name]:
            yield from (f"--maas-{name}", value)
