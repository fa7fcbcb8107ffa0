"""Which of the collected checks run, in which order, and why the others do not."""

import inspect
import random
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

import pytest

from harness.client.official import OFFICIAL
from harness.engine.alone import is_alone
from harness.engine.declaration import CheckDeclaration, declaration_of
from harness.engine.events import CheckPlanned, SuiteCollected
from harness.engine.journal import JournalPart, read_journal
from harness.engine.record import RunRecord
from harness.engine.settings import RunSettings, Shard
from harness.outcome import UsageFault
from harness.platforms.platform import Platform
from harness.spec.catalogue import Catalogue, catalogue
from harness.spec.coverage import unknown_requirements
from harness.spec.profile import Profile, profile_named

NOT_RUNNABLE: Final = pytest.StashKey[str]()


@dataclass(slots=True)
class Selection:
    """A pytest plugin of every process that collects; exactly one of them has a `part` and writes the plan into it.

    `proofs` has every check of the suite with what it proves, `plan` those that were chosen.
    """

    catalogue: Catalogue
    profile: Profile
    areas: tuple[str, ...]
    requirements: frozenset[str]
    platform: Platform | None
    part: JournalPart | None
    shard: Shard | None = None
    only: frozenset[str] | None = None
    seed: int | None = None
    proofs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    plan: list[CheckPlanned] = field(default_factory=list)

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> Generator[None, object, object]:
        """Refuse a check that names what the catalogue lacks, as an error of its file."""
        made = yield
        items = made if isinstance(made, list) else [made]
        for item in items:
            declaration = declaration_of(item) if isinstance(item, pytest.Item) else None
            unknown = unknown_requirements(self.catalogue, declaration.requirements if declaration else ())
            if unknown:
                raise collector.CollectError(
                    f"check {name} names {', '.join(unknown)}, which the catalogue does not have; "
                    "`maas-conformance explain` lists those it has"
                )
        return made

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None]:
        """Note what every check proves and leave out other profiles and areas; when `-k` and reordering plugins have had their turn,
        put the canary first and those that run alone last, mark what cannot run here, and write the plan.

        Checks that call by an official client follow each other, so that one worker has nearly all of them: to load these libraries takes
        longer than most checks do.
        """
        self._leave_out(config, items)
        yield
        self._keep_shard(config, items)
        if self.seed is not None:
            # every worker makes the same order, as xdist demands
            random.Random(self.seed).shuffle(items)  # noqa: S311 - an order, not a secret
        else:
            items.sort(key=lambda item: not _calls_officially(item))
        items.sort(key=lambda item: (not _is_canary(item), is_alone(item)))
        checks = [(item, declared) for item in items if (declared := declaration_of(item))]
        for item, declared in checks:
            reason = self.platform.missing(declared.needs) if self.platform else None
            if reason:
                item.stash[NOT_RUNNABLE] = reason
                item.add_marker(pytest.mark.skip(reason=f"not runnable: {reason}"), append=False)
        self.plan = self._planned(checks)
        if self.part is not None:
            self.part.write(self._collected())
            for event in self.plan:
                self.part.write(event)

    def _leave_out(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept: list[pytest.Item] = []
        left_out: list[pytest.Item] = []
        for item in items:
            declaration = declaration_of(item)
            if declaration is None:
                kept.append(item)
                continue
            self.proofs[declaration.check_id] = declaration.requirements
            (kept if declaration.canary or self._wanted(declaration) else left_out).append(item)
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = kept

    def _keep_shard(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deal the checks out in the order of their ids: all shards see the same order, whatever their plugins shuffled."""
        if self.shard is None:
            return
        checks = sorted(
            (item for item in items if declaration_of(item) and not _is_canary(item)), key=lambda item: item.nodeid
        )
        elsewhere = {item for index, item in enumerate(checks) if index % self.shard.count != self.shard.number - 1}
        if elsewhere:
            config.hook.pytest_deselected(items=list(elsewhere))
            items[:] = [item for item in items if item not in elsewhere]

    def _wanted(self, declaration: CheckDeclaration) -> bool:
        if self.only is not None and declaration.check_id not in self.only:
            return False
        if self.requirements and not self.requirements.intersection(declaration.requirements):
            return False
        rows = [self.catalogue.get(name) for name in declaration.requirements]
        return self.profile.selects(rows, frozenset(declaration.needs)) and (
            not self.areas or any(row.area in self.areas for row in rows)
        )

    def _planned(self, checks: Sequence[tuple[pytest.Item, CheckDeclaration]]) -> list[CheckPlanned]:
        now, worker = (self.part.now(), self.part.worker) if self.part else (0.0, "main")
        return [
            CheckPlanned(
                at=now,
                worker=worker,
                check_id=declared.check_id,
                requirements=declared.requirements,
                needs=tuple(sorted(declared.needs)),
                file=item.location[0],
                line=(item.location[1] or 0) + 1,
                title=title_of(item),
                canary=declared.canary,
                alone=declared.alone,
                not_runnable=item.stash.get(NOT_RUNNABLE, None),
            )
            for item, declared in checks
        ]

    def _collected(self) -> SuiteCollected:
        chosen = {event.check_id for event in self.plan}
        now, worker = (self.part.now(), self.part.worker) if self.part else (0.0, "main")
        return SuiteCollected(
            at=now,
            worker=worker,
            proofs=self.proofs,
            deselected=tuple(check_id for check_id in self.proofs if check_id not in chosen),
        )


def selection_of(settings: RunSettings, platform: Platform | None, part: JournalPart | None) -> Selection:
    """The selection that was asked for. Raises UsageFault when the profile, an area or a requirement does not exist."""
    rows = catalogue()
    return Selection(
        rows,
        profile_named(settings.profile),
        known_areas(rows, settings.areas),
        known_requirements(rows, settings.requirements),
        platform,
        part,
        settings.shard,
        _only(settings),
        settings.seed,
    )


def _only(settings: RunSettings) -> frozenset[str] | None:
    """The checks of an earlier run that are to be judged; None: no such run was named, or it ended before it had a plan.

    Raises UsageFault when there is no run, or nothing to judge again.
    """
    folder = settings.resume or settings.rerun
    if folder is None:
        return None
    record = RunRecord.of(read_journal(folder))
    failed = [] if settings.resume else record.having("failed")
    found = frozenset(check.planned.check_id for check in (*failed, *record.unfinished))
    if not found and record.checks:
        what = "every check came to a verdict" if settings.resume else "nothing failed"
        raise UsageFault(f"{what} in the run in {folder}: there is nothing to judge again")
    return found or None


def title_of(item: pytest.Item) -> str:
    """What a person calls the check: the first line of its docstring, else its name in words, with its parameters."""
    function = getattr(item, "function", None)
    first = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".")
    name, bracket, parameters = item.name.partition("[")
    words = first or name.removeprefix("test_").replace("_", " ")
    return f"{words} [{parameters}" if bracket else words


def known_areas(catalogue: Catalogue, asked: Iterable[str]) -> tuple[str, ...]:
    """The areas asked for. Raises UsageFault naming those that exist."""
    wanted = tuple(asked)
    unknown = [area for area in wanted if area not in catalogue.areas]
    if unknown:
        raise UsageFault(f"no area {unknown[0]!r} in the catalogue; there are {', '.join(catalogue.areas)}")
    return wanted


def known_requirements(catalogue: Catalogue, asked: Iterable[str]) -> frozenset[str]:
    """The requirements asked for, whatever the case of their ids. Raises UsageFault naming the one that may have been meant."""
    wanted = [name.strip().upper() for name in asked]
    for name in wanted:
        if name not in catalogue:
            near = get_close_matches(name, catalogue.rows, n=1)
            hint = f"; did you mean {near[0]}?" if near else "; `maas-conformance explain` lists those it has"
            raise UsageFault(f"no requirement {name!r} in the catalogue{hint}")
    return frozenset(wanted)


def _is_canary(item: pytest.Item) -> bool:
    declaration = declaration_of(item)
    return declaration is not None and declaration.canary


def _calls_officially(item: pytest.Item) -> bool:
    """Whether a parameter of the check names an official client."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return any(isinstance(value, str) and value in OFFICIAL for value in parameters.values())
