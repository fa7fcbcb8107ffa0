"""`maas-conformance diff`: what changed between two reports."""

from pathlib import Path

import click
import orjson

from harness.outcome import ExitCode
from harness.reporting.comparison import as_documents, as_text, changes, read_report


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(before: Path, after: Path, as_json: bool) -> int:
    """Compare two reports (files, or folders of runs): exit 1 when something became worse, else 0."""
    found = changes(read_report(before), read_report(after))
    if as_json:
        click.echo(orjson.dumps(as_documents(found), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(as_text(found)) or "nothing changed")
    worse = any(change.direction == "worse" for change in found)
    return ExitCode.NOT_CONFORMANT if worse else ExitCode.CONFORMANT
