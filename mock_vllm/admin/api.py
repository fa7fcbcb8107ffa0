"""The administrative endpoint: `GET|DELETE /journal`, `GET|PUT /faults`."""

import msgspec

from mock_vllm.app import App
from mock_vllm.errors import ApiError, error_body
from mock_vllm.faults.rule import FaultSet
from mock_vllm.journal import page
from mock_vllm.routes import Route, Routes
from mock_vllm.wire.exchange import Exchange


def admin_routes(app: App) -> Routes:
    """The table of the administrative port."""

    def read(exchange: Exchange) -> None:
        try:
            found = page(app.journal, exchange.query, app.in_flight)
        except ValueError as error:
            raise ApiError(str(error), param="since") from None
        exchange.reply(msgspec.json.encode(found))

    def clear(exchange: Exchange) -> None:
        app.journal.clear()
        exchange.reply(b"", 204, b"")

    def faults(exchange: Exchange) -> None:
        exchange.reply(msgspec.json.encode({"faults": app.faults.rules}))

    def put_faults(exchange: Exchange) -> None:
        try:
            wanted = msgspec.json.decode(exchange.body, type=FaultSet)
        except msgspec.MsgspecError as error:
            raise ApiError(f"the body must be a set of faults: {error}") from None
        app.faults.replace(wanted.faults)
        faults(exchange)

    table = Routes()
    table.add(Route("GET", "/journal", read))
    table.add(Route("DELETE", "/journal", clear))
    table.add(Route("GET", "/faults", faults))
    table.add(Route("PUT", "/faults", put_faults))
    return table


class Admin:
    """Answers on the administrative port."""

    def __init__(self, app: App) -> None:
        self._routes = admin_routes(app)

    def handle(self, exchange: Exchange) -> None:
        """Route one request."""
        found = self._routes.fixed.get(exchange.path)
        if found is None or exchange.method not in found:
            status = 404 if found is None else 405
            exchange.reply(error_body("no such administrative endpoint", "NotFoundError", None, status), status)
            return
        try:
            found[exchange.method].handler(exchange)
        except ApiError as error:
            exchange.reply(error.body(), error.status)

    def ended(self, exchange: Exchange) -> None:
        """Nothing is kept of administrative requests."""
