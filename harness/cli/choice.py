"""Whether a selection chooses any check, told before anything is started.

Most selections do, and the checks as they are written show it in a moment; only where nothing is found there, the suite is collected, which
takes a second or two: parameters have names and requirements of their own.
"""

import ast
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from harness.cli.suite import collect, scenarios
from harness.engine.selection import known_areas, known_requirements
from harness.outcome import HarnessFault, UsageFault
from harness.spec.catalogue import Catalogue, catalogue
from harness.spec.profile import DEFAULT_PROFILE, Profile, profile_named

NARROWING: Final = ("area", "requirement", "profile")
"""Options that choose by requirement; `-k` chooses by name."""


@dataclass(frozen=True, slots=True)
class Written:
    """A check as its file has it: every name that `-k` looks at but those of parameters, and what its decorators say."""

    names: tuple[str, ...]
    requirements: tuple[str, ...]
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose, checked."""

    catalogue: Catalogue
    profile: Profile
    areas: tuple[str, ...]
    requirements: frozenset[str]
    expression: str

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Choice":
        """From the options of `run` and `plan`. Raises UsageFault for a profile, an area, a requirement or an expression that is none."""
        from _pytest.mark.expression import Expression  # not public, but nothing else parses what pytest will

        rows = catalogue()
        expression = given["expression"] or ""
        try:
            Expression.compile(expression)
        except SyntaxError as error:
            raise UsageFault(f"-k {expression!r} is no expression: {error.msg}") from error
        return cls(
            rows,
            profile_named(given["profile"] or DEFAULT_PROFILE),
            known_areas(rows, given["area"]),
            known_requirements(rows, given["requirement"]),
            expression,
        )

    def takes(self, check: Written) -> bool:
        """As `harness.engine.selection` and pytest choose."""
        return self._named(check) and self._wanted(check)

    def _named(self, check: Written) -> bool:
        from _pytest.mark.expression import Expression

        def part_of_a_name(word: str, /, **_: object) -> bool:
            return any(word.lower() in name for name in check.names)

        return not self.expression or Expression.compile(self.expression).evaluate(part_of_a_name)

    def _wanted(self, check: Written) -> bool:
        if self.requirements and not self.requirements.intersection(check.requirements):
            return False
        rows = [self.catalogue.get(name) for name in check.requirements if name in self.catalogue]
        return self.profile.selects(rows, check.needs) and (
            not self.areas or any(row.area in self.areas for row in rows)
        )


def refuse_empty(given: dict[str, Any], selection: list[str]) -> None:
    """Raise UsageFault when these options choose no check; `selection` is what pytest is told of them.

    A suite that cannot be read is for the run to tell of.
    """
    choice = Choice.of(given)
    told = [f"--{name} {value}" for name in NARROWING for value in _values(given[name])]
    if not (choice.expression or told) or any(map(choice.takes, written())):
        return
    with contextlib.suppress(HarnessFault):
        plan = collect(*selection).plan
        if any(choice.expression or not check.canary for check in plan):  # the canary runs first whatever was chosen
            return
        raise UsageFault(_refusal(choice, told))


def _refusal(choice: Choice, told: list[str]) -> str:
    if not told:
        return f"-k {choice.expression!r} matches no check: `maas-conformance plan` lists their names, and parts of a name will do"
    options = " ".join([*told, *([f"-k {choice.expression!r}"] if choice.expression else [])])
    unproved = sorted(choice.requirements)
    asked = (
        f"explain {unproved[0]}` says what proves it, or why nothing does"
        if unproved
        else "plan` lists the checks that there are"
    )
    return f"no check is chosen by {options}: `maas-conformance {asked}"


def _values(given: Any) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def written() -> Iterator[Written]:
    """Every check as it is written; one whose requirements are computed has none here."""
    root = scenarios()
    for file in root.rglob("test_*.py"):
        places = tuple(part.lower() for part in file.relative_to(root.parent).parts)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield _as_written(node, places)


def _as_written(function: ast.FunctionDef | ast.AsyncFunctionDef, places: tuple[str, ...]) -> Written:
    calls = [
        node
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"
    ]
    rows = tuple(text for call in calls for argument in call.args for text in _texts(argument))
    needs = frozenset(
        text for call in calls for keyword in call.keywords if keyword.arg == "needs" for text in _texts(keyword.value)
    )
    return Written((*places, function.name.lower(), "check"), rows, needs)


def _texts(node: ast.expr) -> Iterator[str]:
    return (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))
