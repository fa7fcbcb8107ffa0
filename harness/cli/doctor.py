"""`maas-conformance doctor`: what this machine can run, and what is missing."""

import json
import sys
from dataclasses import asdict
from typing import Final, get_args

import click

from harness.outcome import ExitCode
from harness.platforms.machine import Finding, Purpose, findings, lacking

PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)
_WHAT: Final[dict[Purpose, str]] = {
    "embedded": "the reference platform on this machine (run, up, load)",
    "kind": "--target kind",
    "cluster": "--target cluster and --target endpoint",
    "vllm": "--backend vllm",
}


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(PURPOSES),
    default="embedded",
    show_default=True,
    help="What the exit code speaks of.",
)
def command(*, as_json: bool, purpose: Purpose) -> int:
    """Say what this machine can run, and what is missing.

    Exit code 0 when what --for names can run here, else 3.
    """
    found = findings()
    verdicts = {each: [finding.name for finding in lacking(found, each)] for each in PURPOSES}
    if as_json:
        document = {"findings": [asdict(finding) for finding in found], "missing": verdicts}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        sys.stdout.write(_text(found, verdicts))
    return ExitCode.ENVIRONMENT if verdicts[purpose] else ExitCode.CONFORMANT


def _text(found: list[Finding], verdicts: dict[Purpose, list[str]]) -> str:
    width = max(len(finding.name) for finding in found)
    lines = []
    for finding in found:
        lines.append(f"{'ok' if finding.fine else '--'}  {finding.name:<{width}}  {finding.found}")
        if finding.advice and (not finding.fine or not finding.serves):
            lines.append(f"    {'':<{width}}  {finding.advice}")
    lines.append("")
    lines += [
        f"{'yes' if not missing else 'no '}  {_WHAT[purpose]}{_lacks(missing)}" for purpose, missing in verdicts.items()
    ]
    return "\n".join(lines) + "\n"


def _lacks(missing: list[str]) -> str:
    return f": missing {', '.join(missing)}" if missing else ""
