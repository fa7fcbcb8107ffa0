"""Whether two runs said the same: every difference that is neither provenance nor a measurement, by file and place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.reporting.saying import said

SAME: Final = "the same but for provenance and times"
SHOWN: Final = 160


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that says something else; None where it says nothing."""

    file: str
    where: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.file} {self.where}: {_short(self.before)} → {_short(self.after)}"


def differences(before: Path, after: Path) -> list[Difference]:
    """Of two folders of runs, in the order of their files. Raises UsageFault where one is no such folder."""
    told = said(before), said(after)
    return [
        Difference(file, where, left, right)
        for file in told[0]
        for where, left, right in _walked(told[0][file], told[1][file], "")
    ]


def _walked(before: Any, after: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _walked(before.get(name), after.get(name), f"{where}.{name}".removeprefix("."))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from _walked(left, right, f"{where}.{index}".removeprefix("."))
    elif before != after:
        yield where, before, after


def _short(value: Any) -> str:
    text = "absent" if value is None else " ".join(str(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
