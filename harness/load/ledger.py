"""The token books of a load: what clients were told, what the model servers generated, what the platform charged."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.kube.wait import Bound
from harness.ledger.account import Account
from harness.ledger.counters import HITS
from harness.ledger.journal import Journals, Mark
from harness.ledger.reconciliation import Entry, Finding, reconcile
from harness.load.plan import Member
from harness.load.sample import Sample
from harness.world.estate import Estate
from harness.world.patience import until


@dataclass(frozen=True, slots=True)
class LoadBooks:
    """Opened before the load, balanced after it."""

    estate: Estate
    journals: Journals | None
    mark: Mark | None

    @classmethod
    def open(cls, estate: Estate) -> "LoadBooks":
        """Note where the journals end now."""
        journals = estate.platform_journals
        return cls(estate, journals, journals.mark() if journals else None)

    def balance(self, members: Sequence[Member], samples: Sequence[Sample]) -> tuple[list[Entry], tuple[Finding, ...]]:
        """Every account in three books, and how they disagree; waits until the counters have been scraped.

        A platform without readable counters yields no entries: its books are not judged, which the summary says.
        """
        if self.estate.counters is None:
            return [], ()
        arrived = self._arrived(samples)
        bound = Bound("metrics_bound_s", self.estate.platform.parameters.metrics_bound_s)
        (entries, findings), _ = until(
            lambda: self._compare(members, samples, arrived), lambda found: not found[1], bound
        )
        return entries, findings

    def _compare(
        self, members: Sequence[Member], samples: Sequence[Sample], arrived: dict[int, int] | None
    ) -> tuple[list[Entry], tuple[Finding, ...]]:
        assert self.estate.counters is not None
        reading = self.estate.counters.read()
        entries = []
        for number, member in enumerate(members):
            own = [sample for sample in samples if sample.member == number]
            account: Account = member.account
            charged = reading.total(HITS, account.subscription, user=account.user, model=account.model)
            backend = None if arrived is None else arrived.get(number, 0)
            entries.append(Entry(account, _stated(own), backend, charged if own else charged or 0))
        return entries, reconcile(entries)

    def _arrived(self, samples: Sequence[Sample]) -> dict[int, int] | None:
        """Tokens at the model servers for each member; None when a journal no longer holds every request."""
        if self.journals is None or self.mark is None:
            return None
        whose = {sample.request_id: sample.member for sample in samples}
        totals: dict[int, int] = defaultdict(int)
        found = set()
        for entry in self.journals.since(self.mark):
            if entry.request_id in whose and entry.total_tokens is not None:
                totals[whose[entry.request_id]] += entry.total_tokens
                found.add(entry.request_id)
        served = {sample.request_id for sample in samples if sample.status == 200}
        return totals if served <= found else None


def _stated(samples: Sequence[Sample]) -> int | None:
    """What the answers stated together; None when a served one stated nothing."""
    if any(sample.status == 200 and sample.tokens is None for sample in samples):
        return None
    return sum(sample.tokens or 0 for sample in samples)
