"""How a check declares itself: the requirements that it proves and what it needs of a platform.

Level, area and text come from the catalogue, never from the check: a check cannot soften what it proves.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import pytest

from harness.platforms.platform import Need

MARK = "check"


@dataclass(frozen=True, slots=True)
class CheckDeclaration:
    """What a check says of itself; `check_id` is its pytest node id without the root, stable for ever."""

    check_id: str
    requirements: tuple[str, ...]
    needs: frozenset[Need]
    canary: bool = False
    alone: bool = False


class _HasMarks(Protocol):
    @property
    def nodeid(self) -> str: ...

    def get_closest_marker(self, name: str) -> pytest.Mark | None: ...


def check(
    *requirements: str, needs: Collection[Need] = (), canary: bool = False, alone: bool = False
) -> pytest.MarkDecorator:
    """Mark a test function, or one `pytest.param` of it, as a check.

    `canary` runs before all others and, failing, names why nothing else can be believed; `alone` runs after all others, and while
    it runs no other check does: for those that disturb the platform.
    Raises ValueError at import when no requirement is named: a check that proves nothing is a defect.
    """
    if not requirements:
        raise ValueError("@check names at least one requirement of the catalogue, e.g. @check('MAAS-RATE-001')")
    decorator: pytest.MarkDecorator = getattr(pytest.mark, MARK)(
        *requirements, needs=frozenset(needs), canary=canary, alone=alone
    )
    return decorator


def declaration_of(item: _HasMarks) -> CheckDeclaration | None:
    """The declaration of a collected item; None for tests that are not checks."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return None
    return CheckDeclaration(
        item.nodeid,
        tuple(mark.args),
        frozenset(mark.kwargs.get("needs", ())),
        bool(mark.kwargs.get("canary")),
        bool(mark.kwargs.get("alone")),
    )
