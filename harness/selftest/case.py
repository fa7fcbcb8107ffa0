"""Platforms on trial: what `run` is told of each, and what it has to come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.platforms.embedded.quirks import QUIRKS, weaknesses_of
from harness.selftest.gallery import Defect

INTACT: Final = "intact"
WEAKNESSES: Final = "upstream"
BOUNDS: Final = ("--set", "metrics-bound=5", "--set", "revocation-bound=5")
"""Both happen within a second on an embedded platform (`embedded/bounds.py`), and on a broken one check after check waits in vain for as
long as it may. Should 5 s be too little for a busy machine, the intact platform is called broken as well, and the self-test fails."""
AGAIN: Final = ("--retries", "1")
"""On the intact platform a check is tried again: what has to be told there is one that cannot pass, not a machine that was busy."""
Kind = Literal["defect", "control", "weaknesses"]


@dataclass(frozen=True, slots=True)
class Case:
    """One platform. Checks must find each requirement of `must` broken; on platforms other than broken ones nothing beside.

    `arguments` go to `run`; `workers`: test workers, None for as many as `run` takes by itself.
    """

    name: str
    wrong: str
    kind: Kind
    must: frozenset[str]
    arguments: tuple[str, ...]
    workers: int | None = None

    @property
    def exact(self) -> bool:
        """Whether anything that is found beside is wrong: a broken platform may well break more than one promise."""
        return self.kind != "defect"

    @property
    def command(self) -> tuple[str, ...]:
        """What `maas-conformance run` is told, the folder of the report excepted."""
        return (*self.arguments, *(() if self.workers is None else ("-n", str(self.workers))), "--quiet")

    def choosing(self, *arguments: str) -> "Case":
        """The same, of certain checks."""
        return replace(self, arguments=(*self.arguments, *arguments))


def broken(defect: Defect, workers: int | None = None) -> Case:
    """The platform with this defect, judged by whatever checks are chosen."""
    return Case(
        defect.name,
        defect.wrong,
        "defect",
        frozenset(defect.requirements),
        (*defect.arguments, *BOUNDS),
        workers,
    )


def until_noticed(case: Case) -> Case:
    """Judged by the checks that must notice, as long as one has not: whatever else they would see only adds to the evidence."""
    each = sorted(case.must)
    return case.choosing(
        *_words("--requirement", each),
        *_words("--until-broken", each),
    )


def controls(defects: Iterable[Defect], workers: int | None = None) -> list[Case]:
    """The intact platform under the same settings, judged by the same checks: one that fails here as well has noticed nothing."""
    by_settings: dict[tuple[str, ...], set[str]] = {}
    for defect in defects:
        by_settings.setdefault(defect.under, set()).update(defect.requirements)
    return [
        Case(
            " ".join((INTACT, *under)),
            "nothing",
            "control",
            frozenset(),
            (*_words("--set", under), *BOUNDS, *AGAIN, *_words("--requirement", sorted(requirements))),
            workers,
        )
        for under, requirements in by_settings.items()
    ]


def weaknesses() -> Case:
    """The platform that repeats every weakness of upstream, judged by every check."""
    must = weaknesses_of(QUIRKS)
    return Case(WEAKNESSES, "every weakness of upstream", "weaknesses", must, ("--quirks", WEAKNESSES))


def _words(option: str, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (option, value))
