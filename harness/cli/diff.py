"""`maas-conformance diff`: what changed between two reports, or between two versions of the specification."""

from dataclasses import asdict
from pathlib import Path

import click
import orjson

from harness.outcome import EnvironmentFault, ExitCode, UsageFault
from harness.reporting.comparison import (
    Change,
    as_documents,
    as_text,
    changes,
    counted,
    read_report,
    read_specification,
    specification_changes,
)
from harness.reporting.comparison_page import Side, comparison_page
from harness.reporting.sameness import SAME, differences


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--same", is_flag=True, help="Ask of two runs whether they say the same but for provenance and times.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page, too.")
def command(before: Path, after: Path, as_json: bool, same: bool, html: Path | None) -> int:
    """Compare two reports (files, or folders of runs), or two folders of the specification: exit 1 when something became worse.

    `installed` in the place of a folder is the specification of this installation. With --same: exit 1 when any file of the two runs says
    something else, provenance and times apart.
    """
    if same:
        if html is not None:
            raise UsageFault("--same answers in lines, or with --json; leave --html out")
        return _said_the_same(before, after, as_json=as_json)
    sides, found = _compared(before, after)
    if html is not None:
        try:
            html.write_text(comparison_page(sides, found), encoding="utf-8")
        except OSError as error:
            raise EnvironmentFault(f"cannot write {html}: {error.strerror}") from error
    if as_json:
        click.echo(orjson.dumps(as_documents(found), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join([*as_text(found), counted(found) or "nothing changed"]))
    worse = any(change.direction == "worse" for change in found)
    return ExitCode.NOT_CONFORMANT if worse else ExitCode.CONFORMANT


def _said_the_same(before: Path, after: Path, *, as_json: bool) -> int:
    found = differences(before, after)
    if as_json:
        click.echo(orjson.dumps([asdict(one) for one in found], option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(map(str, found)) or SAME)
    return ExitCode.NOT_CONFORMANT if found else ExitCode.CONFORMANT


def _compared(before: Path, after: Path) -> tuple[tuple[Side, Side], list[Change]]:
    specifications = read_specification(before), read_specification(after)
    if specifications[0] is not None and specifications[1] is not None:
        sides = tuple(
            Side.of_specification(path, found)
            for path, found in ((before, specifications[0]), (after, specifications[1]))
        )
        return (sides[0], sides[1]), specification_changes(specifications[0], specifications[1])
    if specifications[0] is not None or specifications[1] is not None:
        raise UsageFault(f"{before} and {after}: one is a specification, the other a report; give two of a kind")
    reports = read_report(before), read_report(after)
    return (Side.of_report(before, reports[0]), Side.of_report(after, reports[1])), changes(*reports)
