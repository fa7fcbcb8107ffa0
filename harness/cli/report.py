"""`maas-conformance report`: make the reports of a run again from its journal, also of a run that was killed."""

from pathlib import Path

import click

from harness.engine.journal import read_journal
from harness.outcome import ExitCode
from harness.reporting.outline import summary_lines
from harness.reporting.regenerate import regenerate


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-q", "--quiet", is_flag=True, help="Tell failures and the verdict alone.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every requirement without a check.")
def command(folder: Path, quiet: bool, verbose: bool) -> int:
    """Write summary, JUnit, Allure, page and report of the run in FOLDER again, and tell its end; exits as the run did."""
    record = regenerate(read_journal(folder), folder)
    for line in summary_lines(record, str(folder), -1 if quiet else int(verbose)):
        click.echo(line)
    return record.finished.exit_code if record.finished else ExitCode.INVALID
