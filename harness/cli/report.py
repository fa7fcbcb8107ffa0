"""`maas-conformance report`: what is done with reports, without a platform: make them again, join, sign, hand on."""

from pathlib import Path

import click

from harness.cli.export import export
from harness.cli.signing import keygen, sign
from harness.engine.events import AnyEvent
from harness.engine.journal import read_journal
from harness.outcome import ExitCode, UsageFault
from harness.reporting.joining import join, write_joined
from harness.reporting.outline import summary_lines
from harness.reporting.regenerate import regenerate

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make the reports of a run again, join the shards of one, sign them, or hand them on."""


@command.command("make")
@click.argument("folder", type=_FOLDER)
@click.option("-q", "--quiet", is_flag=True, help="Tell failures and the verdict alone.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every requirement without a check.")
def make(folder: Path, quiet: bool, verbose: bool) -> int:
    """Write summary, JUnit, Allure, page and report of the run in FOLDER again, and tell its end; exits as the run did."""
    return _written(read_journal(folder), folder, -1 if quiet else int(verbose))


@command.command("merge")
@click.argument("folders", type=_FOLDER, nargs=-1)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the whole run.")
@click.option("-q", "--quiet", is_flag=True, help="Tell failures and the verdict alone.")
def merge(folders: tuple[Path, ...], out: Path, quiet: bool) -> int:
    """Join the runs in FOLDERS, the shards of one run, into OUT; exits as the whole run would have."""
    if len(folders) < 2:
        raise UsageFault(f"merge takes the folders of at least two shards; got {len(folders)}")
    events = join(folders)
    write_joined(events, out)
    return _written(events, out, -1 if quiet else 0)


command.add_command(keygen)
command.add_command(sign)
command.add_command(export)


def _written(events: list[AnyEvent], out: Path, verbosity: int) -> int:
    record = regenerate(events, out)
    for line in summary_lines(record, str(out), verbosity):
        click.echo(line)
    return record.finished.exit_code if record.finished else ExitCode.INVALID
