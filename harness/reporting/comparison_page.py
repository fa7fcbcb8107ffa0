"""A comparison as one self-contained page, in the style of the report's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.reporting.comparison import Change, Promise
from harness.reporting.conformance import ConformanceReport
from harness.reporting.page import template

TEMPLATE: Final = "diff.html.j2"
_ABOUT: Final = (
    "verdict",
    "requirement",
    "check",
    "specification added",
    "specification removed",
    "level",
    "wording",
    "characteristic",
    "fact",
)


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two is, in pairs of name and value."""

    title: str
    facts: tuple[tuple[str, str], ...]

    @classmethod
    def of_report(cls, path: Path, report: ConformanceReport) -> "Side":
        """A report: whose, of what, and how it ended."""
        named = report.implementation
        product = " ".join(filter(None, (named.organization, named.project, named.version, named.configuration)))
        return cls(
            product or path.name,
            (
                ("verdict", report.result.reason),
                ("target", f"{report.platform.target} ({report.platform.stack})"),
                ("profile", report.profile),
                ("suite", f"{report.suite.version}, catalogue {report.suite.catalogue}"),
                ("passed", f"{report.result.passed} of {len(report.checks)} checks"),
                ("run", f"{report.run.id}, {report.run.started_at:%Y-%m-%d}"),
            ),
        )

    @classmethod
    def of_specification(cls, path: Path, promises: Mapping[str, Promise]) -> "Side":
        """A version of the specification."""
        levels = Counter(promise.level for promise in promises.values())
        told = ", ".join(f"{count} {level}" for level, count in levels.items())
        return cls(path.name, (("requirements", str(len(promises))), ("levels", told)))


def comparison_page(sides: Sequence[Side], found: Sequence[Change]) -> str:
    """The page."""
    counts = Counter(change.direction for change in found)
    tone = "bad" if counts["worse"] else "good"
    groups: dict[str, list[Change]] = {}
    for change in sorted(found, key=_rank):
        groups.setdefault(change.about, []).append(change)
    values: dict[str, Any] = {
        "title": _title(counts),
        "tone": tone,
        "sides": sides,
        "counts": [(word, counts[word]) for word in ("worse", "better", "other")],
        "groups": groups,
        "shown": _shown,
    }
    return template(TEMPLATE).render(**values)


def _shown(change: Change, value: Any) -> str:
    """A value as a person reads it; states are written with an underscore, other words may hold one."""
    if value is None:
        return "absent"
    return str(value).replace("_", " ") if change.about in ("requirement", "check") else str(value)


def _rank(change: Change) -> tuple[int, int]:
    """Verdict first, then what became worse within each subject."""
    about = _ABOUT.index(change.about) if change.about in _ABOUT else len(_ABOUT)
    return about, ("worse", "better", "other").index(change.direction)


def _title(counts: Counter[str]) -> str:
    if not counts:
        return "Nothing changed"
    if counts["worse"]:
        return "Something became worse"
    return "Nothing became worse"
