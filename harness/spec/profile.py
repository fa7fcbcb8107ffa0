"""Profiles: which requirements a run judges, as data (`profiles.yaml`)."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.outcome import HarnessFault, UsageFault
from harness.spec.catalogue import Catalogue, catalogue
from harness.spec.requirement import Level, Requirement, RequirementId, Scope, Text

SOURCE = Path(__file__).with_name("profiles.yaml")
DEFAULT_PROFILE = "full"


class Profile(BaseModel):
    """A selection of requirements; the conditions that are given must all hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Text
    levels: frozenset[Level] | None = None
    scopes: frozenset[Scope] | None = None
    ids: frozenset[RequirementId] | None = None
    needs: frozenset[str] | None = Field(None, description="a check that needs anything else is not part of it")
    strict: bool = Field(False, description="a check that was skipped or not runnable counts as failed")

    def includes(self, requirement: Requirement) -> bool:
        """Whether this requirement is judged."""
        return (
            (self.levels is None or requirement.level in self.levels)
            and (self.scopes is None or requirement.scope in self.scopes)
            and (self.ids is None or requirement.id in self.ids)
        )

    def selects(self, requirements: Iterable[Requirement], needs: frozenset[str]) -> bool:
        """Whether a check that proves these and needs that belongs to the profile."""
        return (self.needs is None or needs <= self.needs) and any(map(self.includes, requirements))

    def requirements(self, all_of: Catalogue) -> tuple[Requirement, ...]:
        """The requirements that a run with this profile has to answer for."""
        return tuple(row for row in all_of if self.includes(row))


@cache
def profiles() -> dict[str, Profile]:
    """All profiles by name. Raises HarnessFault when one is malformed or names an unknown requirement."""
    try:
        found = TypeAdapter(dict[str, Profile]).validate_python(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise HarnessFault(f"{SOURCE.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    for name, profile in found.items():
        unknown = sorted((profile.ids or frozenset()) - catalogue().rows.keys())
        if unknown:
            raise HarnessFault(f"{SOURCE.name}: profile {name} names unknown requirements: {', '.join(unknown)}")
    return found


def profile_named(name: str) -> Profile:
    """Look one up. Raises UsageFault naming those that exist."""
    try:
        return profiles()[name]
    except KeyError:
        raise UsageFault(f"no profile {name!r}; there are {', '.join(profiles())}") from None
