"""`maas-conformance selftest`: break the platform in each known way and show that the suite notices."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from harness.cli.run import default_workers
from harness.outcome import ExitCode
from harness.selftest.case import WEAKNESSES, Case, broken, controls, until_noticed, weaknesses
from harness.selftest.gallery import GALLERY, Defect
from harness.selftest.processes import Processes, side_by_side
from harness.selftest.progress import Progress, table_of
from harness.selftest.trial import Trial, attempt

WORKERS: Final = 2
"""Test workers of each of several platforms: with the components of one they keep a core busy, and a check mostly waits."""
CONTROL_WORKERS: Final = 4
"""The intact platform is judged by the checks of all the broken ones."""
FILE_WIDTH: Final = 200
"""Columns of the table where it is written to no terminal."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--defect",
    "names",
    multiple=True,
    type=click.Choice([*(one.name for one in GALLERY), WEAKNESSES]),
    metavar="NAME",
    help="Only this broken platform (--list names them); repeatable.",
)
@click.option("--matrix", is_flag=True, help="Try every check on each, not only those that must notice (takes hours).")
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    help="Platforms that are judged at a time.  [default: one a core, at most 4; with --matrix 1]",
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Keep the report of each run here.")
@click.option("--list", "listing", is_flag=True, help="Name the broken platforms and end.")
def command(names: tuple[str, ...], at_once: int | None, out: Path | None, *, matrix: bool, listing: bool) -> int:
    """Break the embedded platform in each known way and show that the checks notice.

    Each broken platform must be called not conformant for each of the reasons that its defect is known by, and the intact platform by none
    of the same checks. A last platform, `upstream`, repeats every weakness of the upstream project, and all checks together must report
    exactly those.
    Exit 0 when all that is so, 1 when it is not, 4 when a platform could not be judged.
    """
    chosen = [one for one in GALLERY if not names or one.name in names]
    if listing:
        for defect in chosen:
            click.echo(f"{defect.name}: {defect.wrong} (maas-conformance run {' '.join(defect.arguments)})")
        return ExitCode.CONFORMANT
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=FILE_WIDTH)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maas-selftest-") as scratch:
        folder = out or Path(scratch)
        stages = _stages(chosen, at_once, matrix=matrix)
        if not names or WEAKNESSES in names:
            stages.append(([weaknesses()], 1))
        trials = _try_all(console, stages, folder)
    return _concluded(console, trials, time.monotonic() - began)


def _stages(chosen: list[Defect], at_once: int | None, *, matrix: bool) -> list[tuple[list[Case], int]]:
    """Cases, and how many of them at a time. What takes longest comes first, so that nobody waits for it at the end."""
    if not chosen:
        return []
    if matrix:
        return [([broken(defect) for defect in chosen], at_once or 1)]
    several = at_once or max(1, default_workers() // WORKERS)
    defects = [until_noticed(broken(defect, WORKERS)) for defect in chosen]
    return [([*controls(chosen, CONTROL_WORKERS), *defects], several)]


def _try_all(console: Console, stages: Sequence[tuple[list[Case], int]], folder: Path) -> list[Trial]:
    """Every case, told of as it ends; in the order of the cases. An interruption ends all, and raises KeyboardInterrupt."""
    progress = Progress(console, sum(len(cases) for cases, _ in stages))

    def judge(case: Case, processes: Processes) -> Trial:
        progress.began(case)
        return attempt(case, folder / case.name.replace(" ", "-"), processes.run)

    trials: dict[str, Trial] = {}
    with progress.shown():
        for cases, at_once in stages:
            for trial in side_by_side(cases, judge, at_once=at_once):
                progress.ended(trial)
                trials[trial.case.name] = trial
    return [trials[case.name] for cases, _ in stages for case in cases]


def _concluded(console: Console, trials: Sequence[Trial], seconds: float) -> ExitCode:
    """The table, the end in one line, and the exit code that says the same."""
    console.print(table_of(trials))
    failed = [trial.case.name for trial in trials if not trial.passed]
    verdict = f"not as they should be: {', '.join(failed)}" if failed else "every one as it should be"
    console.print(f"{len(trials)} platforms judged in {seconds:.0f} s: {verdict}", soft_wrap=True)
    if any(trial.fault for trial in trials):
        return ExitCode.HARNESS
    return ExitCode.NOT_CONFORMANT if failed else ExitCode.CONFORMANT
