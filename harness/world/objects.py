"""The objects of one check: created in one batch, awaited together, edited or withdrawn in its midst, removed at its end."""

from collections.abc import Iterable, Sequence

from harness.engine.failure import NotConformant, NotReady
from harness.kube.apply import apply_manifests, delete_all
from harness.kube.fault import WaitExpired
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Expectation, delete_and_wait, has_condition, has_phase, wait_for, wait_for_all
from harness.ledger.journal import Journals
from harness.world.estate import Estate


class Objects:
    """What a check has made, or is about to make; `name` is in the names of all of it."""

    def __init__(self, estate: Estate, name: str) -> None:
        self.estate = estate
        self.name = name
        self._pending: list[Manifest] = []
        self._awaited: list[Expectation] = []
        self._made: list[Ref] = []
        self._has_servers = False
        self._journals: Journals | None = None

    def declare(self, *manifests: Manifest, until: Iterable[Expectation] = ()) -> None:
        """Have these objects created by the next `settle`, which then waits until the expectations hold."""
        known = {Ref.of(manifest) for manifest in self._pending} | set(self._made)
        self._has_servers |= any(manifest["kind"] in ("LLMInferenceService", "Deployment") for manifest in manifests)
        self._pending += [manifest for manifest in manifests if Ref.of(manifest) not in known]
        self._awaited += until

    def declare_common(self, *manifests: Manifest, until: Iterable[Expectation] = ()) -> None:
        """Have these objects be in force from the next `settle` on, for this check and all later ones of the worker."""
        new = [manifest for manifest in manifests if Ref.of(manifest) not in self.estate.lasting]
        self.estate.common |= {Ref.of(manifest) for manifest in new}
        self.declare(*new, until=until if new else ())

    def settle(self) -> None:
        """Create what was declared, in one batch, and wait until all of it is in force.

        Raises NotReady, quoting the bound and what the object says of itself, when it does not come into force.
        """
        if not self._pending and not self._awaited:
            return
        pending, awaited, self._pending, self._awaited = self._pending, self._awaited, [], []
        refs = [Ref.of(manifest) for manifest in pending]
        self._made += refs
        apply_manifests(self.estate.cluster, pending, self.estate.labels)
        self._await(awaited)
        self.estate.lasting |= self.estate.common & set(refs)

    def edit(self, manifest: Manifest, until: Iterable[Expectation]) -> None:
        """Apply another form of an object of this check, and wait until that is in force."""
        self.settle()
        apply_manifests(self.estate.cluster, [manifest], self.estate.labels)
        self._await(list(until))

    def await_phase(self, ref: Ref, *phases: str) -> Manifest:
        """Wait until the object has one of these phases, and return it. Raises NotReady."""
        try:
            found = wait_for(self.estate.cluster, has_phase(ref, *phases), self.estate.ready_bound)
        except WaitExpired as expired:
            raise NotReady(str(expired)) from expired
        return found or {}

    def expect_becomes(self, expectation: Expectation, *, requirement: str | None = None) -> Manifest:
        """Wait for what the check judges: an object that does not become so in time is the platform's fault (NotConformant).

        The object as it was then; empty when it was its absence that was expected.
        """
        try:
            return wait_for(self.estate.cluster, expectation, self.estate.ready_bound) or {}
        except WaitExpired as expired:
            bound = self.estate.ready_bound
            raise NotConformant(
                expected=f"{expectation.ref} is {expectation.what} within {bound.seconds:g} s ({bound.name})",
                observed=str(expired),
                requirement=requirement,
            ) from expired

    def expect_phase(self, ref: Ref, *phases: str, requirement: str | None = None) -> Manifest:
        """As `await_phase`, where the phase is what the check judges."""
        return self.expect_becomes(has_phase(ref, *phases), requirement=requirement)

    def expect_condition(self, ref: Ref, kind: str, status: str, *, requirement: str | None = None) -> Manifest:
        """As `await_condition`, where the condition is what the check judges; the object that has it."""
        return self.expect_becomes(has_condition(ref, kind, status), requirement=requirement)

    def await_condition(self, ref: Ref, kind: str, status: str) -> None:
        """Wait until the object's condition of that type has that status. Raises NotReady."""
        self._await([has_condition(ref, kind, status)])

    def withdraw(self, *refs: Ref) -> None:
        """Delete objects in the midst of a check, and wait until they are gone."""
        delete_and_wait(self.estate.cluster, refs, self.estate.ready_bound)
        self._made = [ref for ref in self._made if ref not in refs]

    def journals(self) -> Journals | None:
        """The journals of the platform's model servers and of this check's own; None where none can be read."""
        self.settle()
        if not self._has_servers:
            return self.estate.platform_journals
        if self._journals is None:
            self._journals = self.estate.journals_of(self.name)
        return self._journals

    def remove(self) -> None:
        """Delete everything that was made, last first; what the worker's checks share stays for the next one."""
        if self._journals is not None:
            self._journals.close()
        doomed = [ref for ref in self._made if ref not in self.estate.common]
        self._made, self._pending, self._awaited = [], [], []
        if not self.estate.keep:
            delete_all(self.estate.cluster, doomed)

    def _await(self, expectations: Sequence[Expectation]) -> None:
        try:
            wait_for_all(self.estate.cluster, expectations, self.estate.ready_bound)
        except WaitExpired as expired:
            raise NotReady(str(expired)) from expired
