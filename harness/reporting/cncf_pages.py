"""The words of the evidence for the CNCF programme: a page a requirement, an overview, and snippets for PRODUCT.yaml.

Nothing here sets a status: the pages say what was shown, what was not, and that the vendor answers for the rest.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from harness.reporting.cncf_ai import PASSED, Programme, Shown, Wanted, shown
from harness.reporting.conformance import CheckResult, ConformanceReport
from harness.reporting.quick_yaml import dump_yaml
from harness.spec.catalogue import catalogue

FOLDER: Final = "maas-conformance"
"""All lies below a folder of our own, so that no name can be taken for one of the programme's."""
ARCHIVE: Final = "report.tar.gz"
CASES: Final = 10
"""Cases that a snippet points at; the page has them all."""


def snippets(wanted: Programme, report: ConformanceReport) -> bytes:
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


def page(requirement: Wanted, report: ConformanceReport) -> Iterable[str]:
    """The page of a requirement: aspects first, then the checks that showed each."""
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
        passed = sum(check.outcome in PASSED for check in those)
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


def overview(wanted: Programme, report: ConformanceReport) -> Iterable[str]:
    """The first page: every requirement of the programme, most of them as not proven by this suite."""
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
