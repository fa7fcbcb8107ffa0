"""An owner or a subject that names nobody means everybody who has a credential."""

from collections.abc import Mapping
from typing import Any

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import entities
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.entities import Subjects

_subjects_of = entities.subjects_of


def subjects_of(document: Mapping[str, Any]) -> Subjects:
    """Everybody, where nobody is named."""
    named = _subjects_of(document)
    return named if named.users or named.groups else Subjects(frozenset(), frozenset({"system:authenticated"}))


if __name__ == "__main__":
    run_with(entities, "subjects_of", subjects_of, main)
