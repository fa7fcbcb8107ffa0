"""Traceability: which requirement has which checks, and why the others have none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.spec.catalogue import Catalogue
from harness.spec.requirement import Requirement

_WHY_NONE = {
    "must": "no check has been written yet",
    "should": "no check has been written yet",
    "may": "an option of the platform: only recorded where a check meets it",
    "observe": "judges nobody: only recorded where a check meets it",
}


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A requirement that no check proves, and the reason."""

    requirement: Requirement
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Requirement ids to the ids of the checks that prove them; `uncovered` holds the rest of those asked for."""

    checks: Mapping[str, tuple[str, ...]]
    uncovered: tuple[Uncovered, ...]

    @property
    def covered(self) -> int:
        """How many requirements have at least one check."""
        return len(self.checks)

    @property
    def total(self) -> int:
        """How many were asked for."""
        return len(self.checks) + len(self.uncovered)


def coverage_of(requirements: Iterable[Requirement], proofs: Mapping[str, Iterable[str]]) -> Coverage:
    """Join requirements with `proofs` (check id to the requirements it names); proofs of requirements not asked for are left out."""
    checks: dict[str, list[str]] = {}
    for check_id, proven in proofs.items():
        for requirement_id in proven:
            checks.setdefault(requirement_id, []).append(check_id)
    wanted = tuple(requirements)
    return Coverage(
        {row.id: tuple(checks[row.id]) for row in wanted if row.id in checks},
        tuple(Uncovered(row, why_uncovered(row)) for row in wanted if row.id not in checks),
    )


def why_uncovered(requirement: Requirement) -> str:
    """The reason stated in the catalogue, else the one that follows from the level."""
    return requirement.uncovered or _WHY_NONE[requirement.level]


def unknown_requirements(catalogue: Catalogue, named: Iterable[str]) -> tuple[str, ...]:
    """Ids that a check names and the catalogue lacks."""
    return tuple(sorted({requirement_id for requirement_id in named if requirement_id not in catalogue}))
