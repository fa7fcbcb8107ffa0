"""`maas-conformance verify`: would this report be accepted? Offline, and without trusting whoever sent it."""

from pathlib import Path

import click
import orjson

from harness.cli.suite import collect, scenarios
from harness.engine.suite_digest import digest_of
from harness.outcome import ExitCode
from harness.reporting.conformance import ConformanceReport
from harness.reporting.objection import Objection
from harness.reporting.signature import Signed, as_document, read_signatures
from harness.reporting.signing_key import read_public
from harness.reporting.verification import verify


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--trust",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Public key of somebody whose signature is asked for; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Tell every objection; else the first of each rule.")
def command(folder: Path, keys: tuple[Path, ...], as_json: bool, verbose: bool) -> int:
    """Verify the report in FOLDER: exit 0 when it would be accepted, 1 when not, with the rule, what it expected and what it found."""
    trusted = [read_public(key) for key in keys]
    suite = collect("--maas-target", "embedded")
    report, objections = verify(folder, suite.plan, digest_of([scenarios()], scenarios().parent), trusted=trusted)
    signatures = read_signatures(folder, trusted)
    if as_json:
        click.echo(orjson.dumps(_document(objections, signatures), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(_lines(report, objections, signatures, verbose=verbose)))
    return ExitCode.NOT_CONFORMANT if objections else ExitCode.CONFORMANT


def _document(objections: list[Objection], signatures: list[Signed | str]) -> dict[str, object]:
    fields = ("rule", "expected", "found", "mend")
    return {
        "accepted": not objections,
        "signatures": as_document(signatures),
        "objections": [{name: getattr(objection, name) for name in fields} for objection in objections],
    }


def _lines(
    report: ConformanceReport | None, objections: list[Objection], signatures: list[Signed | str], *, verbose: bool
) -> list[str]:
    if not objections and report is not None:
        told_of = f"{report.result.passed} checks passed on target {report.platform.target}"
        until = f"valid until {report.valid_until:%Y-%m-%d}"
        return [f"accepted: {report.statement}; {told_of}, {until}; {_signed(signatures)}"]
    first: dict[str, Objection] = {}
    for objection in objections:
        first.setdefault(objection.rule, objection)
    told = objections if verbose else list(first.values())
    return [*(f"refused: {objection}" for objection in told), f"the report is {_signed(signatures)}"]


def _signed(signatures: list[Signed | str]) -> str:
    """By whom, as far as the keys that were named can tell."""
    readable = [entry for entry in signatures if isinstance(entry, Signed)]
    known = [f"{key.name} ({key.fingerprint})" for entry in readable for key in entry.by]
    if known:
        return f"signed by {', '.join(dict.fromkeys(known))}"
    if readable:
        names = ", ".join(f"{entry.keyids[0]} ({entry.signer or 'no name'})" for entry in readable)
        return f"signed by {names}, which nobody vouches for here (--trust)"
    return "unsigned"
