"""The three books of one check, and their balance."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.client.exchange import Exchange
from harness.engine.failure import NotConformant, NotReady
from harness.kube.wait import Bound
from harness.ledger.account import Account
from harness.ledger.book import ClientBook, Page
from harness.ledger.counters import HITS, PlatformBook, Reading
from harness.ledger.journal import Entry as Arrival
from harness.ledger.journal import Journals, Mark
from harness.ledger.reconciliation import Entry, Finding, reconcile
from harness.world.patience import until
from harness.world.sandwich import arrivals


@dataclass(frozen=True, slots=True)
class Books:
    """What the client was told, what the model servers did, what the platform charged, since `mark`.

    The check's subscriptions are new, so their counters begin at nothing; either of the other two books may be missing on a platform.
    """

    client: ClientBook
    journals: Journals | None
    mark: Mark | None
    platform: PlatformBook | None
    metrics_bound: Bound

    def expect_balanced(self, accounts: Iterable[Account], *, requirement: str | None = None) -> None:
        """All books agree to the token, at the latest when the counters have been scraped.

        Raises NotConformant naming each disagreement.
        """
        wanted = list(accounts)
        arrived = self.journals.since(self.mark) if self.journals and self.mark else None
        findings, _ = until(lambda: self._findings(wanted, arrived), lambda found: not found, self.metrics_bound)
        if findings:
            page = self.client.page(findings[0].account)
            raise NotConformant(
                expected="the same number of tokens in the client's, the model servers' and the platform's book",
                observed="; ".join(str(finding) for finding in findings),
                exchange=page.exchanges[-1] if page.exchanges else None,
                requirement=requirement,
            )

    def expect_charged(self, account: Account, *, requirement: str | None = None) -> None:
        """The platform charged what the model servers generated, whatever the responses said of it: for answers without usage.

        Raises NotReady when this platform's model servers keep no journal.
        """
        if self.journals is None or self.mark is None:
            raise NotReady("what unreported answers cost is known to the model servers alone, and none can be read")
        page = self.client.page(account)
        due = _generated(self.journals.since(self.mark), page.exchanges)
        got, _ = until(lambda: charged(self._read(), account), lambda seen: seen == due, self.metrics_bound)
        if due is None or got != due:
            raise NotConformant(
                expected=f"{due} tokens charged, as the model servers generated",
                observed="nothing was charged" if got is None else f"{got} tokens charged",
                exchange=page.exchanges[-1] if page.exchanges else None,
                requirement=requirement,
            )

    def _read(self) -> Reading | None:
        return self.platform.read() if self.platform else None

    def _findings(self, accounts: list[Account], arrived: list[Arrival] | None) -> tuple[Finding, ...]:
        reading = self._read()
        return reconcile(_entry(account, self.client.page(account), arrived, reading) for account in accounts)


def _entry(account: Account, page: Page, arrived: list[Arrival] | None, reading: Reading | None) -> Entry:
    backend = None if arrived is None else _generated(arrived, page.exchanges)
    return Entry(account, page.tokens, backend, charged(reading, account), page.costs)


def _generated(arrived: list[Arrival], exchanges: Iterable[Exchange]) -> int | None:
    """Tokens of all arrivals of these exchanges; a request that arrived twice counts twice. None when one was not counted there."""
    counts = [entry.total_tokens for exchange in exchanges for entry in arrivals(arrived, exchange)]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def charged(reading: Reading | None, account: Account) -> int | None:
    """What the platform's counter says for an account; None without a reading or without a series."""
    return (
        None if reading is None else reading.total(HITS, account.subscription, user=account.user, model=account.model)
    )
