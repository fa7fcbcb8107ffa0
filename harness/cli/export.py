"""`report export`: a report in the forms that other programmes take."""

from pathlib import Path

import click

from harness.outcome import UsageFault


@click.group("export")
def export() -> None:
    """Hand a report on to another programme."""


@export.command("cncf-ai")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the evidence.")
def cncf_ai(folder: Path, out: Path) -> None:
    """Write evidence for the CNCF Kubernetes AI Conformance programme from the report in FOLDER, claiming what it proved and no more."""
    from harness.cli.suite import collect, scenarios
    from harness.engine.suite_digest import digest_of
    from harness.reporting.cncf_ai import state_counts
    from harness.reporting.cncf_evidence import export as write
    from harness.reporting.rules import CONSISTENT
    from harness.reporting.verification import verify

    suite = collect("--maas-target", "embedded")
    report, objections = verify(folder, suite.plan, digest_of([scenarios()], scenarios().parent))
    grave = [objection for objection in objections if objection.rule in CONSISTENT]
    if report is None or grave:
        raise UsageFault(f"this report is evidence for nothing: {objections[0]}")
    for path in write(folder, report, out):
        click.echo(str(path))
    for name, (proven, total) in state_counts(report).items():
        click.echo(f"{name}: {proven} of {total} aspects proven")
