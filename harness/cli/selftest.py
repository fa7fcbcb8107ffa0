"""`maas-conformance selftest`: break the platform in each known way and show that the suite notices."""

import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from harness.outcome import ExitCode
from harness.platforms.embedded.quirks import QUIRKS
from harness.selftest.gallery import GALLERY, Defect
from harness.selftest.trial import Trial, checks_of, try_defect, try_weaknesses

WEAKNESSES = "upstream"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice([*(one.name for one in GALLERY), WEAKNESSES]),
    metavar="NAME",
    help="Only this broken platform (--list names them); repeatable.",
)
@click.option("--matrix", is_flag=True, help="Try every check on each, not only those that must notice (takes long).")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the report of each run here.")
@click.option("--list", "listing", is_flag=True, help="Name the broken platforms and end.")
def command(names: tuple[str, ...], out: Path | None, *, matrix: bool, listing: bool) -> int:
    """Break the embedded platform in each known way and show that the checks notice.

    A last platform, `upstream`, repeats every weakness of the upstream project, and the checks must report exactly those.
    Exit 0 when every broken platform was called not conformant for the right reason, 1 otherwise.
    """
    chosen = [one for one in GALLERY if not names or one.name in names]
    if listing:
        for defect in chosen:
            click.echo(f"{defect.name}: {defect.wrong} (maas-conformance run {' '.join(defect.arguments)})")
        return ExitCode.CONFORMANT
    with tempfile.TemporaryDirectory(prefix="maas-selftest-") as scratch:
        folder = out or Path(scratch)
        trials = _try_all(chosen, folder, matrix=matrix)
        exact = _only_weaknesses(folder / WEAKNESSES) if not names or WEAKNESSES in names else True
    if trials:
        Console().print(table_of(trials))
    return ExitCode.CONFORMANT if exact and all(trial.killed for trial in trials) else ExitCode.NOT_CONFORMANT


def _try_all(chosen: list[Defect], folder: Path, *, matrix: bool) -> list[Trial]:
    trials: list[Trial] = []
    console = Console(stderr=True)
    for number, defect in enumerate(chosen, 1):
        with console.status(f"{number} of {len(chosen)}: {defect.name}"):
            trials.append(try_defect(defect, folder / defect.name, [] if matrix else checks_of(defect)))
        click.echo(f"{'noticed' if trials[-1].killed else 'NOT NOTICED'}: {defect.name}: {defect.wrong}")
    return trials


def _only_weaknesses(out: Path) -> bool:
    """Whether every check runs, and reports the weaknesses that the platform repeats and nothing else."""
    with Console(stderr=True).status("every check on a platform with upstream's weaknesses"):
        seen = try_weaknesses(out).noticed
    unseen, beside = sorted(set(QUIRKS) - seen), sorted(seen - set(QUIRKS))
    for text, rows in (("not reported", unseen), ("reported, though the platform keeps it", beside)):
        if rows:
            click.echo(f"NOT EXACT: {text}: {', '.join(rows)}")
    if not unseen and not beside:
        click.echo(f"exact: of upstream's weaknesses all {len(QUIRKS)} are reported, and nothing else")
    return not unseen and not beside


def table_of(trials: list[Trial]) -> Table:
    """Defect by defect: what was expected to notice, and what did."""
    table = Table(title="Broken platforms", title_justify="left")
    table.add_column("defect", no_wrap=True)
    for heading in ("must be noticed by", "requirements of failed checks"):
        table.add_column(heading, overflow="fold")
    for trial in trials:
        seen = ", ".join(sorted(trial.judgement.noticed)) or "none"
        table.add_row(trial.defect.name, ", ".join(trial.defect.requirements), seen)
    return table
