"""Evidence for the CNCF Kubernetes AI Conformance programme, from a report: a page a requirement, and snippets for PRODUCT.yaml.

A run proves aspects of two of its requirements and none of the others. So nothing here sets a status: the pages say what was shown, what
was not, and that the vendor answers for the rest. Names that the programme's validator takes for its own suite's files are never written.
"""

import gzip
import io
import shutil
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from harness.outcome import EnvironmentFault, UsageFault
from harness.reporting.conformance import CheckResult, ConformanceReport
from harness.reporting.data import report_data
from harness.reporting.quick_yaml import dump_yaml
from harness.reporting.signature import SIGNATURES, signed_files
from harness.spec.catalogue import catalogue
from harness.spec.requirement import RequirementId

FOLDER: Final = "maas-conformance"
"""All lies below a folder of our own, so that no name can be taken for one of the programme's."""
ARCHIVE: Final = "report.tar.gz"
SOURCE: Final = "cncf-ai.yaml"
_SHOWN: Final = ("report.yaml", "junit.xml", "report.html")
_PASSED: Final = ("passed", "passed_on_retry")
CASES: Final = 10
"""Cases that a snippet points at; the page has them all."""
_Text = Annotated[str, StringConstraints(min_length=1)]


class _Edge(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Aspect(_Edge):
    """A part of a requirement, and the rows of our catalogue that show it together; none: this suite does not show it."""

    what: _Text
    rows: tuple[RequirementId, ...]


class Wanted(_Edge):
    """A requirement of the programme to which a run can contribute."""

    id: _Text
    level: Literal["MUST", "SHOULD"]
    about: _Text
    aspects: tuple[Aspect, ...]


class Programme(_Edge):
    """What the programme asks for, as far as it matters here."""

    programme: _Text
    requirements: tuple[Wanted, ...]
    others: tuple[_Text, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An aspect in the light of one report."""

    aspect: Aspect
    state: Literal["proven", "broken", "not proven"]
    why: str
    checks: tuple[CheckResult, ...]


def programme() -> Programme:
    """The mapping that comes with the suite."""
    return Programme.model_validate(yaml.safe_load(report_data(SOURCE).read_text(encoding="utf-8")))


def shown(aspect: Aspect, report: ConformanceReport) -> Shown:
    """What the report says of an aspect: proven only when every row of it is."""
    if not aspect.rows:
        return Shown(aspect, "not proven", "this suite has no check for it", ())
    states = {row.id: row.state for row in report.requirements}
    found = {row: states.get(row, "not part of the profile") for row in aspect.rows}
    checks = tuple(check for check in report.checks if set(check.requirements) & set(aspect.rows))
    if any(state == "broken" for state in found.values()):
        broken = [row for row, state in found.items() if state == "broken"]
        return Shown(aspect, "broken", f"broken: {', '.join(broken)}", checks)
    missing = [f"{row} {state.replace('_', ' ')}" for row, state in found.items() if state != "proven"]
    proving = tuple(check for check in checks if check.outcome in _PASSED)
    if missing or not proving:
        return Shown(aspect, "not proven", ", ".join(missing) or "no check ran", proving)
    return Shown(aspect, "proven", "", proving)


def export(folder: Path, report: ConformanceReport, out: Path) -> list[Path]:
    """Write the pages, the snippets and the report itself below OUT. Raises UsageFault when something is there already."""
    target = out / FOLDER
    if target.exists() and any(target.iterdir()):
        raise UsageFault(f"{target} is not empty: name another folder, or remove it")
    wanted = programme()
    try:
        target.mkdir(parents=True, exist_ok=True)
        for requirement in wanted.requirements:
            page = "\n".join(_page(requirement, report)) + "\n"
            (target / f"{requirement.id}.md").write_text(page, encoding="utf-8")
        (target / "README.md").write_text("\n".join(_overview(wanted, report)) + "\n", encoding="utf-8")
        (target / "snippets.yaml").write_bytes(_snippets(wanted, report))
        for name in _SHOWN:
            shutil.copyfile(folder / name, target / name)
        (target / ARCHIVE).write_bytes(_archive(folder))
    except OSError as error:
        raise EnvironmentFault(f"cannot write {error.filename}: {error.strerror}") from error
    return sorted(target.iterdir())


def _archive(folder: Path) -> bytes:
    """The whole report as it was handed in, so that `verify` can be asked about it; the same bytes for the same files."""
    buffer = io.BytesIO()
    names = [*signed_files(folder), *([SIGNATURES] if (folder / SIGNATURES).is_file() else [])]
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(names):
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(f"report/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _snippets(wanted: Programme, report: ConformanceReport) -> bytes:
    """Entries to copy into PRODUCT.yaml; the status is the vendor's, because no run shows a whole requirement."""
    entries = []
    for requirement in wanted.requirements:
        found = [shown(aspect, report) for aspect in requirement.aspects]
        proven = [entry for entry in found if entry.state == "proven"]
        cases = [_case(those[0]) for entry in proven for those in _by_function(entry.checks).values()]
        named = [f"{FOLDER}/junit.xml#{name}" for name in dict.fromkeys(cases)][:CASES]
        evidence = [f"{FOLDER}/{requirement.id}.md", f"{FOLDER}/report.yaml", *named]
        entries.append(
            {
                "id": requirement.id,
                "level": requirement.level,
                "status": "",
                "evidence": evidence if proven else [],
                "notes": _note(found),
            }
        )
    head = (
        f"# {wanted.programme}: evidence from a MaaS conformance run, to copy into PRODUCT.yaml.\n"
        "# status is left empty on purpose: this run shows aspects, never a whole requirement. It is yours to set and to answer for.\n"
    )
    return head.encode() + dump_yaml(entries)


def _note(found: Sequence[Shown]) -> str:
    proven = [entry.aspect.what for entry in found if entry.state == "proven"]
    rest = [entry.aspect.what for entry in found if entry.state != "proven"]
    told = f"Evidence for: {'; '.join(proven)}." if proven else "This run is evidence for no aspect of it."
    return (
        told
        + (f" Not shown by this run: {'; '.join(rest)}." if rest else "")
        + " Layer: the MaaS platform above the cluster."
    )


def _case(check: CheckResult) -> str:
    """The name of the check's case in junit.xml."""
    return check.id.partition("::")[2].replace("::", ".")


def _page(requirement: Wanted, report: ConformanceReport) -> Iterable[str]:
    found = [shown(aspect, report) for aspect in requirement.aspects]
    proven = sum(entry.state == "proven" for entry in found)
    yield f"# Evidence for `{requirement.id}`"
    yield ""
    yield f"{requirement.about[:1].upper()}{requirement.about[1:]} ({requirement.level})."
    yield ""
    yield f"This run shows {proven} of {len(found)} aspects. It is evidence for those, and for nothing else."
    yield from _provenance(report)
    yield from ("", "| aspect | shown | by |", "| --- | --- | --- |")
    for entry in found:
        by = ", ".join(entry.aspect.rows) or "none"
        yield f"| {entry.aspect.what} | **{entry.state}**{f' ({entry.why})' if entry.why else ''} | {by} |"
    for entry in found:
        if entry.checks:
            yield from _details(entry)
    yield from ("", "## Which layer", "")
    yield "The MaaS platform, which is installed above a cluster. Name the entry of the cluster's own distribution beside this one."


def _details(entry: Shown) -> Iterable[str]:
    yield from ("", f"## {entry.aspect.what[:1].upper()}{entry.aspect.what[1:]}: {entry.state}", "")
    for name in entry.aspect.rows:
        row = catalogue().get(name)
        yield f"- **{row.id}** ({row.level}): {row.requirement}"
    yield ""
    yield from ("| check | passed | seconds |", "| --- | ---: | ---: |")
    for name, those in _by_function(entry.checks).items():
        passed = sum(check.outcome in _PASSED for check in those)
        seconds = sum(check.duration_seconds for check in those)
        yield f"| [`{name}`](junit.xml#{_case(those[0])}) | {passed} of {len(those)} | {seconds:.2f} |"
    for check in entry.checks:
        if check.failure:
            yield f"\n`{_case(check)}` expected {check.failure.expected}; observed {check.failure.observed}."


def _by_function(checks: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """Checks that differ in their parameters alone, together: a reader wants to know what was tried, not each letter of it."""
    found: dict[str, list[CheckResult]] = {}
    for check in checks:
        found.setdefault(_case(check).partition("[")[0], []).append(check)
    return found


def _provenance(report: ConformanceReport) -> Iterable[str]:
    product = " ".join(
        filter(None, (report.implementation.organization, report.implementation.project, report.implementation.version))
    )
    told = f"{product or 'A product that the report does not name'}, {report.implementation.configuration or 'default configuration'}"
    yield ""
    yield f"{told}; target {report.platform.target} ({report.platform.stack}); suite {report.suite.version}, profile {report.profile};"
    yield f"run {report.run.id} of {report.run.started_at:%Y-%m-%d}, valid until {report.valid_until:%Y-%m-%d}."
    if report.platform.stack == "reference":
        yield ""
        yield "> **This run judged the reference platform that comes with the suite, not a product.** It is no evidence for any product."
    if not report.result.conformant:
        yield ""
        yield f"> The run as a whole is not conformant: {report.result.reason}."


def _overview(wanted: Programme, report: ConformanceReport) -> Iterable[str]:
    yield f"# Evidence for the {wanted.programme}"
    yield ""
    yield "Made from a MaaS conformance report. It claims what its checks showed, sets no status, and is no statement of the programme."
    yield from _provenance(report)
    yield from ("", "| requirement | shown |", "| --- | --- |")
    for requirement in wanted.requirements:
        found = [shown(aspect, report) for aspect in requirement.aspects]
        count = sum(entry.state == "proven" for entry in found)
        yield f"| [`{requirement.id}`]({requirement.id}.md) ({requirement.level}) | {count} of {len(found)} aspects |"
    for name in wanted.others:
        yield f"| `{name}` | not proven by this suite |"
    yield from ("", "| file | what it is |", "| --- | --- |")
    yield "| `snippets.yaml` | entries to copy into PRODUCT.yaml; the status is yours to set |"
    yield "| `report.yaml`, `report.html`, `junit.xml` | the report to read |"
    yield f"| `{ARCHIVE}` | the whole report: unpack it, and `maas-conformance verify report` judges it offline |"


def state_counts(report: ConformanceReport) -> dict[str, Any]:
    """Requirement id to how many of its aspects were proven, and how many there are."""
    return {
        requirement.id: (
            sum(shown(aspect, report).state == "proven" for aspect in requirement.aspects),
            len(requirement.aspects),
        )
        for requirement in programme().requirements
    }
