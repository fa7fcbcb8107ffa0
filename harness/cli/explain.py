"""`maas-conformance explain`: a requirement or a check, its other side, and how to read a failure."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
import orjson

from harness.cli.suite import Suite, collect
from harness.outcome import UsageFault
from harness.reporting import check_pages
from harness.reporting.outline import LEVELS
from harness.spec.catalogue import catalogue
from harness.spec.coverage import why_uncovered
from harness.spec.profile import profiles
from harness.spec.requirement import Requirement

SCOPES: Final = {
    "neutral": "holds for any MaaS",
    "api": "holds for any deployment of this API and these CRDs",
    "stack": "holds for one data plane: Kuadrant, Istio, KServe",
}
READING: Final = (
    "blame platform     the check compared what is promised with what came: the platform broke the promise",
    "blame environment  a control did not work, or something did not answer in time: nothing is said about the promise",
    "blame harness      the check itself failed: please report it; nothing is said about the promise",
    "expected, observed what the promise asks for, and what came instead; the curl line repeats the last request",
    "not runnable       the platform lacks what the check needs; the promise is neither proven nor broken",
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", required=False)
@click.option("--area", help="List the requirements of this area.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--pages", type=click.Path(file_okay=False, path_type=Path), help="Write a page an area into this folder."
)
def command(name: str | None, area: str | None, as_json: bool, pages: Path | None) -> None:
    """Explain a requirement (MAAS-RATE-001) or a check (its name, or the end of its id); without a name, list the requirements."""
    if pages is not None:
        _write(pages)
        return
    if name is None:
        rows = [row for row in catalogue() if area is None or row.area == area]
        if not rows:
            raise UsageFault(f"no area {area!r} in the catalogue; there are {', '.join(catalogue().areas)}")
        click.echo(_listing(rows, as_json=as_json))
        return
    suite = collect("--maas-target", "embedded")
    document = _requirement(name.upper(), suite) if name.upper() in catalogue() else _check(name, suite)
    if as_json:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    click.echo("\n".join(_lines(document)))


def _write(folder: Path) -> None:
    suite = collect("--maas-target", "embedded")
    content = check_pages.pages(check_pages.Checks(suite.proofs, suite.docstrings))
    check_pages.write_pages(folder, content)
    click.echo(f"{len(content)} pages in {folder}")


def _listing(rows: Iterable[Requirement], *, as_json: bool) -> str:
    if as_json:
        documents = [row.model_dump(mode="json", exclude_none=True) for row in rows]
        return orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode()
    return "\n".join(f"{row.id:<15} {row.level:<8} {row.requirement}" for row in rows)


def _requirement(name: str, suite: Suite) -> dict[str, Any]:
    row = catalogue().get(name)
    checks = [check for check, proven in suite.proofs.items() if name in proven]
    return {
        **row.model_dump(mode="json", exclude_none=True, exclude={"uncovered"}),
        "level_means": LEVELS[row.level],
        "scope_means": SCOPES[row.scope],
        "profiles": [profile for profile, found in profiles().items() if found.includes(row)],
        "checks": checks,
        **({} if checks else {"without_check": why_uncovered(row)}),
        "reading_a_failure": list(READING),
    }


def _check(name: str, suite: Suite) -> dict[str, Any]:
    short = {check: check.rpartition("::")[2] for check in suite.proofs}
    found = [
        check
        for check in suite.proofs
        if check == name or short[check] == name or short[check].partition("[")[0] == name
    ]
    if not found:
        near = get_close_matches(name.upper(), catalogue().rows, n=2) + get_close_matches(name, short.values(), n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageFault(f"neither a requirement nor a check is called {name}{hint}")
    planned = next(check for check in suite.plan if check.check_id == found[0])
    rows = [catalogue().get(requirement) for requirement in planned.requirements]
    return {
        "checks": found,
        "title": planned.title,
        "about": suite.docstrings.get(found[0], ""),
        "where": f"{planned.file}:{planned.line}",
        "needs": list(planned.needs),
        "proves": [f"{row.id} ({row.level}): {row.requirement}" for row in rows],
        "reading_a_failure": list(READING),
    }


def _lines(document: dict[str, Any]) -> Iterable[str]:
    for key, value in document.items():
        label = key.replace("_", " ")
        if isinstance(value, list):
            yield f"{label}:" + ("" if value else " none")
            yield from (f"  {entry}" for entry in value)
        elif value:
            yield f"{label}: {value}"
