"""Pages of documentation, one an area: each requirement with its checks, where it comes from, and how to read a failure of it.

They are made from the catalogue and the checks' own docstrings, so that nothing is said twice and nothing grows old unnoticed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from harness.outcome import EnvironmentFault
from harness.spec.catalogue import Catalogue, catalogue
from harness.spec.coverage import why_uncovered
from harness.spec.requirement import Requirement

INDEX: Final = "README.md"
_HOW: Final = "Made by `maas-conformance explain --pages docs/checks`; a test fails when it is stale."


class Checks:
    """The checks of the suite, by requirement and by test function: parameters of one function are variants of one check."""

    def __init__(self, proofs: Mapping[str, tuple[str, ...]], docstrings: Mapping[str, str]) -> None:
        self._functions: dict[str, dict[str, int]] = {}
        self._about: dict[str, str] = {}
        for check_id, rows in proofs.items():
            function = check_id.partition("[")[0]
            self._about.setdefault(function, docstrings.get(check_id, ""))
            for row in rows:
                variants = self._functions.setdefault(row, {})
                variants[function] = variants.get(function, 0) + 1

    def of(self, row: str) -> Mapping[str, int]:
        """Test functions that prove a requirement, and how many variants each has."""
        return self._functions.get(row, {})

    def about(self, function: str) -> str:
        """What the function says of itself, on one line; its name in words where it says nothing."""
        said = " ".join(self._about[function].split())
        return said or function.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def pages(checks: Checks, rows: Catalogue | None = None) -> dict[str, str]:
    """File names and their content: an index, and a page an area."""
    rows = rows or catalogue()
    return {INDEX: _index(rows, checks)} | {f"{area}.md": _page(area, rows, checks) for area in rows.areas}


def write_pages(folder: Path, content: Mapping[str, str]) -> None:
    """Write them, and remove pages of areas that are no more. Raises EnvironmentFault when the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stale in set(folder.glob("*.md")) - {folder / name for name in content}:
            stale.unlink()
        for name, text in content.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(f"cannot write {error.filename}: {error.strerror}") from error


def _index(rows: Catalogue, checks: Checks) -> str:
    lines = [
        "# Requirements and their checks",
        "",
        _HOW,
        "",
        "| area | requirements | with a check | decide conformance |",
    ]
    lines.append("| --- | ---: | ---: | ---: |")
    for area in rows.areas:
        those = [row for row in rows if row.area == area]
        covered = sum(bool(checks.of(row.id)) for row in those)
        lines.append(f"| [{area}]({area}.md) | {len(those)} | {covered} | {sum(row.decides for row in those)} |")
    return "\n".join([*lines, "", *_reading(), ""])


def _reading() -> Iterable[str]:
    return (
        "## How to read a failure",
        "",
        "- **platform** is at fault where what is promised was compared with what came: *expected* is the promise, *observed* what came",
        "  instead. Only such failures, of levels `must` and `should`, decide conformance.",
        "- **environment**: a control did not work or something did not answer in time. Nothing is said about the promise:",
        "  `maas-conformance diagnose MODEL --as USER` finds what is wrong.",
        "- **harness**: the check itself failed. Report it; nothing is said about the promise.",
        "- The line under *repeat* shows it again: `curl` for a request (the key in `$MAAS_KEY`), `kubectl` for an object.",
        "- The folder `failures/NAME/` holds all requests, the conditions of the objects, and the logs of that interval.",
    )


def _page(area: str, rows: Catalogue, checks: Checks) -> str:
    those = [row for row in rows if row.area == area]
    lines = [f"# {area}", "", f"{_HOW} [How to read a failure]({INDEX}#how-to-read-a-failure)."]
    for row in those:
        lines += ["", *_section(row, checks)]
    return "\n".join(lines) + "\n"


def _section(row: Requirement, checks: Checks) -> Iterable[str]:
    yield f"## {row.id} ({row.level})"
    yield ""
    yield row.requirement
    steps = (("given", row.given), ("when", row.when), ("then", row.then), ("with Kuadrant", row.kuadrant))
    told = [f"- {name} {text}" for name, text in steps if text]
    if told:
        yield from ("", *told)
    yield ""
    found = checks.of(row.id)
    if not found:
        yield f"No check: {why_uncovered(row)}."
    for function, variants in found.items():
        file, _, name = function.partition("::")
        many = f" ({variants} variants)" if variants > 1 else ""
        yield f"- `{name}`{many} in [{file}](../../{file}): {checks.about(function)}"
    source = (
        f"from {', '.join(f'`{where}`' for where in row.source)}" if row.source else f"from {', '.join(row.evidence)}"
    )
    yield from ("", f"*{source}; scope {row.scope}*")
