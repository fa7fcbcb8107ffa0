"""The denial sandwich: allowed, denied, allowed again; and the model servers never saw the denied one.

A denial alone proves nothing: a gateway that refuses everybody, or that has not loaded its configuration, refuses too. And
a refusal that the client sees does not prove that the model did not run: only the model servers' journals do.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.client.exchange import Exchange
from harness.client.trace import TRACEPARENT, trace_id
from harness.engine.failure import NotConformant, NotReady
from harness.ledger.journal import Entry, Journals, Mark
from harness.world.expectations import Shape, any_refusal, expect_refused, expect_served

_INFERENCE = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses")
Request = Callable[[], Exchange]


@dataclass(frozen=True, slots=True)
class Sandwich:
    """Proves denials; `journals` is None on platforms whose model servers keep none that can be read."""

    journals: Callable[[], Journals | None]

    def __call__(
        self,
        *,
        control: Request,
        denied: Request,
        status: int,
        when: str,
        shape: Shape = any_refusal,
        requirement: str | None = None,
    ) -> Exchange:
        """Run control, denial, control, and return the denied exchange.

        Raises NotConformant when a control is refused, when the denial has another status or shape, and when the denied
        request reached a model server.
        """
        journals = self.journals()
        mark = journals.mark() if journals else None
        first = expect_served(control(), when="the control before the denial is made")
        refusal = denied()
        again = expect_served(control(), when="the control is made again after the denial")
        expect_refused(refusal, status, shape, when=when, requirement=requirement)
        if journals and mark:
            expect_never_arrived(journals, mark, refusal, controls=(first, again), requirement=requirement)
        return refusal


def expect_never_arrived(
    journals: Journals, mark: Mark, *denied: Exchange, controls: tuple[Exchange, ...], requirement: str | None = None
) -> None:
    """No model server saw the denied exchanges since the mark.

    The controls that are inference calls must be found there, else absence proves nothing and NotReady is raised.
    """
    entries = journals.since(mark)
    for control in controls:
        if _is_inference(control) and not arrivals(entries, control):
            raise NotReady(
                f"the control {control.request_id} was answered with {control.status} but is in no model server's journal "
                f"({len(journals.servers)} read), so the absence of a denied request cannot be shown"
            )
    for exchange in denied:
        found = arrivals(entries, exchange)
        if found:
            raise NotConformant(
                expected="a denied request never reaches a model server",
                observed=f"it was answered with {exchange.status}, and the model server {found[0].server} served it "
                f"({found[0].path}, {found[0].completion_tokens} tokens generated)",
                exchange=exchange,
                requirement=requirement,
            )


def arrivals(entries: list[Entry], exchange: Exchange) -> list[Entry]:
    """Journal entries of one exchange, by request id, or by trace id where the gateway gives requests ids of its own."""
    trace = trace_id(exchange.request.headers.get(TRACEPARENT))
    return [
        entry
        for entry in entries
        if entry.request_id == exchange.request_id or (trace is not None and entry.trace_id == trace)
    ]


def _is_inference(exchange: Exchange) -> bool:
    return exchange.request.method == "POST" and exchange.request.url.split("?")[0].endswith(_INFERENCE)
