"""`maas-conformance selftest`: break the platform in each known way and show that the suite notices."""

import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from harness.outcome import ExitCode
from harness.selftest.gallery import GALLERY, named
from harness.selftest.trial import Trial, try_defect


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice([one.name for one in GALLERY]),
    help="Only this one; repeatable.",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the report of each run here.")
@click.option("--list", "listing", is_flag=True, help="Name the broken platforms and end.")
def command(names: tuple[str, ...], out: Path | None, *, listing: bool) -> int:
    """Break the embedded platform in each known way and show that the checks notice.

    Exit 0 when every broken platform was called not conformant for the right reason, 1 otherwise.
    """
    chosen = [named(name) for name in names] or list(GALLERY)
    if listing:
        for defect in chosen:
            click.echo(f"{defect.name}: {defect.wrong} (maas-conformance run {' '.join(defect.arguments)})")
        return ExitCode.CONFORMANT
    console = Console()
    with tempfile.TemporaryDirectory(prefix="maas-selftest-") as scratch:
        folder = out or Path(scratch)
        trials = []
        for number, defect in enumerate(chosen, 1):
            with console.status(f"{number} of {len(chosen)}: {defect.name}"):
                trials.append(try_defect(defect, folder / defect.name))
            click.echo(f"{'noticed' if trials[-1].killed else 'NOT NOTICED'}: {defect.name}: {defect.wrong}")
    console.print(matrix(trials))
    return ExitCode.CONFORMANT if all(trial.killed for trial in trials) else ExitCode.NOT_CONFORMANT


def matrix(trials: list[Trial]) -> Table:
    """Defect by defect: what was expected to notice, and what did."""
    table = Table(title="Broken platforms", title_justify="left")
    for heading in ("defect", "must be noticed by", "requirements of failed checks"):
        table.add_column(heading, overflow="fold")
    for trial in trials:
        table.add_row(
            trial.defect.name, ", ".join(trial.defect.requirements), ", ".join(sorted(trial.noticed)) or "none"
        )
    return table
