"""What a report shows towards the CNCF Kubernetes AI Conformance programme: aspects of two of its requirements, and none of the others."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from harness.reporting.conformance import CheckResult, ConformanceReport
from harness.reporting.data import report_data
from harness.spec.requirement import RequirementId

SOURCE: Final = "cncf-ai.yaml"
PASSED: Final = ("passed", "passed_on_retry")
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
    proving = tuple(check for check in checks if check.outcome in PASSED)
    if missing or not proving:
        return Shown(aspect, "not proven", ", ".join(missing) or "no check ran", proving)
    return Shown(aspect, "proven", "", proving)


def state_counts(report: ConformanceReport) -> dict[str, Any]:
    """Requirement id to how many of its aspects were proven, and how many there are."""
    return {
        requirement.id: (
            sum(shown(aspect, report).state == "proven" for aspect in requirement.aspects),
            len(requirement.aspects),
        )
        for requirement in programme().requirements
    }
