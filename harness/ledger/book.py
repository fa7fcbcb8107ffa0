"""The client's book: every exchange of an account, and what the responses said they cost."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from harness.client.exchange import Exchange
from harness.ledger.account import Account


@dataclass(frozen=True, slots=True)
class Page:
    """The exchanges of one account in the order of their ends."""

    exchanges: tuple[Exchange, ...] = ()

    @property
    def costs(self) -> tuple[int, ...]:
        """What each answer that stated a usage cost, in tokens."""
        return tuple(exchange.usage.total_tokens for exchange in self.exchanges if exchange.usage)

    @property
    def tokens(self) -> int | None:
        """What the answers say was used; None when an allowed one did not say, for then nobody knows."""
        if any(exchange.status == 200 and exchange.usage is None for exchange in self.exchanges):
            return None
        return sum(self.costs)

    @property
    def allowed(self) -> int:
        """How many were answered with 200."""
        return sum(exchange.status == 200 for exchange in self.exchanges)

    @property
    def refused(self) -> int:
        """How many were answered with 429."""
        return sum(exchange.status == 429 for exchange in self.exchanges)


class ClientBook:
    """Collects exchanges by account; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[Account, Page] = {}

    def enter(self, account: Account, exchange: Exchange) -> None:
        """Write one exchange down."""
        with self._lock:
            page = self._pages.get(account, Page())
            self._pages[account] = Page((*page.exchanges, exchange))

    def page(self, account: Account) -> Page:
        """What is written for an account; an empty page when nothing is."""
        with self._lock:
            return self._pages.get(account, Page())

    def pages(self) -> Mapping[Account, Page]:
        """All pages at this moment."""
        with self._lock:
            return dict(self._pages)
