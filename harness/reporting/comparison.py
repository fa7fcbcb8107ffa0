"""What changed between two reports: a vendor's releases, or two versions of the specification; and between specifications alone."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from harness.outcome import HarnessFault, UsageFault
from harness.reporting.certificate import NAME
from harness.reporting.conformance import ConformanceReport
from harness.reporting.quick_yaml import load_yaml
from harness.spec.catalogue import catalogue, parse_area

NOTABLE: Final = 0.25
"""A characteristic that moved by less than this share is noise between two runs."""
_BETTER: Final = ("broken", "uncovered", "not_evaluated", "proven")


INSTALLED: Final = "installed"
"""In the place of a folder: the specification of this installation."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A requirement, as far as two versions of it are compared."""

    level: str
    text: str

    def __str__(self) -> str:
        return f"({self.level}) {self.text}".rstrip()


DIRECTIONS: Final = ("worse", "better", "other")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was; None where it did not exist. `direction`: better, worse or other."""

    about: str
    name: str
    before: Any
    after: Any
    direction: str


def read_report(path: Path) -> ConformanceReport:
    """Read a report, or the one in a folder. Raises UsageFault when it is none."""
    file = path / NAME if path.is_dir() else path
    try:
        document = load_yaml(file.read_bytes())
        if not isinstance(document, dict):
            raise UsageFault(f"{file} is no ConformanceReport: expected a mapping, as `report make` writes it")
        return ConformanceReport.model_validate(document)
    except OSError as error:
        raise UsageFault(f"cannot read the report {file}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise UsageFault(f"{file} is no ConformanceReport: {where}: {first['msg']}") from error
    except yaml.YAMLError as error:
        raise UsageFault(f"{file} is no ConformanceReport: {' '.join(str(error).split())[:200]}") from error


def changes(before: ConformanceReport, after: ConformanceReport) -> list[Change]:
    """All that changed, what became worse first."""
    found = [
        *_of_facts(before, after),
        *_of_promises(_promises(before), _promises(after)),
        *_of_requirements(before, after),
        *_of_checks(before, after),
        *_of_characteristics(before, after),
    ]
    return sorted(found, key=lambda change: ("worse", "better", "other").index(change.direction))


def specification_changes(before: Mapping[str, Promise], after: Mapping[str, Promise]) -> list[Change]:
    """What changed between two versions of the specification alone."""
    return list(_of_promises(before, after))


def _promises(report: ConformanceReport) -> dict[str, Promise]:
    return {row.id: Promise(row.level, row.promise) for row in report.requirements}


def read_specification(path: Path) -> dict[str, Promise] | None:
    """The promises of a folder of catalogue files; None when it holds none. Raises UsageFault naming a malformed row."""
    if path.name == INSTALLED and not path.exists():
        rows = list(catalogue())
    elif path.is_dir() and not (path / NAME).exists():
        try:
            rows = [row for file in sorted(path.glob("*.yaml")) for row in parse_area(file.name, file.read_bytes())]
        except HarnessFault as fault:
            raise UsageFault(f"{path} holds neither a report nor a specification: {fault}") from fault
    else:
        return None
    return {row.id: Promise(row.level, row.requirement) for row in rows} or None


def as_text(found: Iterable[Change]) -> list[str]:
    """One line a change."""
    return [
        f"{change.direction:<6} {change.about} {change.name}: {change.before or 'absent'} → {change.after or 'absent'}"
        for change in found
    ]


def counted(found: Iterable[Change]) -> str:
    """How many of each direction, the worse first: what a long list comes to."""
    counts = Counter(change.direction for change in found)
    return ", ".join(f"{counts[direction]} {direction}" for direction in DIRECTIONS if counts[direction])


def as_documents(found: Iterable[Change]) -> list[dict[str, Any]]:
    """For programs."""
    return [asdict(change) for change in found]


def _of_facts(before: ConformanceReport, after: ConformanceReport) -> Iterable[Change]:
    facts = [
        {
            "suite": report.suite.version,
            "catalogue": report.suite.catalogue,
            "profile": report.profile,
            "target": report.platform.target,
            "stack": report.platform.stack,
            **{f"version of {name}": value for name, value in report.platform.versions.items()},
            **{f"parameter {name}": value for name, value in report.platform.parameters.items()},
        }
        for report in (before, after)
    ]
    yield from _differing("fact", facts[0], facts[1])
    if before.result.conformant != after.result.conformant:
        direction = "better" if after.result.conformant else "worse"
        yield Change("verdict", "conformant", before.result.reason, after.result.reason, direction)


def _of_requirements(before: ConformanceReport, after: ConformanceReport) -> Iterable[Change]:
    old, new = ({row.id: row.state for row in report.requirements} for report in (before, after))
    for change in _differing("requirement", old, new):
        if change.before is None or change.after is None:
            continue  # the specifications differ, which is said once
        better = _BETTER.index(change.after) > _BETTER.index(change.before)
        yield Change(change.about, change.name, change.before, change.after, "better" if better else "worse")


def _of_promises(before: Mapping[str, Promise], after: Mapping[str, Promise]) -> Iterable[Change]:
    """What one version of the specification asks and the other does not, or not so."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            there = "added" if old is None else "removed"
            yield Change(f"specification {there}", name, old and str(old), new and str(new), "other")
        elif old.level != new.level:
            yield Change("level", name, old.level, new.level, "other")
        elif old.text and new.text and old.text != new.text:
            yield Change("wording", name, old.text, new.text, "other")


def _of_checks(before: ConformanceReport, after: ConformanceReport) -> Iterable[Change]:
    old, new = ({check.id: check.outcome for check in report.checks} for report in (before, after))
    for change in _differing("check", old, new):
        failing = ("failed", "known_failure")
        direction = "worse" if change.after in failing and change.before not in failing else "other"
        if change.before in failing and change.after not in failing:
            direction = "better"
        yield Change(change.about, change.name, change.before, change.after, direction)


def _of_characteristics(before: ConformanceReport, after: ConformanceReport) -> Iterable[Change]:
    old, new = ({(fact.check, fact.name): fact for fact in report.characteristics} for report in (before, after))
    for key in sorted(old.keys() & new.keys()):
        was, is_now = old[key].value, new[key].value
        if abs(is_now - was) > NOTABLE * max(abs(was), abs(is_now)):
            unit = new[key].unit
            yield Change("characteristic", key[1], f"{was:g} {unit}", f"{is_now:g} {unit}", "other")


def _differing(about: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Change]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Change(about, name, old.get(name), new.get(name), "other")
