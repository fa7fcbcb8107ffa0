"""Somebody who calls the platform with one credential; every call is measured, recorded, and entered into the client's book."""

from dataclasses import dataclass
from typing import Any, Protocol

from harness.client.exchange import Exchange
from harness.client.measuring import Call, Headers, MeasuringClient
from harness.client.secret import Secret
from harness.engine.recorder import Recorder
from harness.ledger.account import Account
from harness.ledger.book import ClientBook
from harness.platforms.platform import ModelHandle, Platform
from harness.world.inference import CHAT, Ask


@dataclass(frozen=True, slots=True)
class Wire:
    """The way from one check to the platform: its client, its evidence, its book."""

    platform: Platform
    client: MeasuringClient
    recorder: Recorder
    book: ClientBook

    def send(self, call: Call) -> Exchange:
        """One attempt, recorded."""
        return self.client.send(call, observer=self.recorder.exchange)


class Credential(Protocol):
    """What a caller presents; minted when it is first needed, so that a check's objects are created in one batch."""

    def secret(self) -> Secret | None:
        """The text to send; None sends no credential."""


@dataclass(frozen=True, slots=True)
class Given:
    """A credential that exists already, or that is wrong on purpose."""

    text: Secret | None = None

    def secret(self) -> Secret | None:
        """It."""
        return self.text


NO_CREDENTIAL = Given(None)


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or program in front of the gateway.

    `username` and `subscription` say whose budget its calls should burn; where either is None, calls enter no account.
    """

    wire: Wire
    credential: Credential
    model: ModelHandle
    username: str | None = None
    subscription: str | None = None
    headers: Headers = ()
    scheme: str = "Bearer "

    def infer(
        self,
        ask: Ask = CHAT,
        *,
        model: ModelHandle | None = None,
        headers: Headers = (),
        abort_after: int | None = None,
    ) -> Exchange:
        """POST one inference request to a model, by default to the caller's own."""
        target = model or self.model
        endpoints = self.wire.platform.endpoints
        exchange = self._send(
            "POST", ask.url(endpoints.gateway, target), json=ask.body(target), headers=headers, abort_after=abort_after
        )
        if self.username and self.subscription:
            self.wire.book.enter(self.account(target), exchange)
        return exchange

    def account(self, model: ModelHandle | None = None) -> Account:
        """Whose budget pays for calls to a model. Raises ValueError for a caller without one."""
        if not (self.username and self.subscription):
            raise ValueError("this caller has no subscription of its own, so no account")
        return Account(self.username, self.subscription, (model or self.model).served_name)

    def models(self, *, headers: Headers = ()) -> Exchange:
        """GET the list of models."""
        return self.gateway("GET", "/v1/models", headers=headers)

    def gateway(self, method: str, path: str, *, json: Any = None, headers: Headers = ()) -> Exchange:
        """Any call below the gateway's base URL."""
        return self._send(method, f"{self.wire.platform.endpoints.gateway}{path}", json=json, headers=headers)

    def manage(self, method: str, path: str, *, json: Any = None, headers: Headers = ()) -> Exchange:
        """Any call below the management base URL, e.g. `/v1/api-keys`."""
        return self._send(method, f"{self.wire.platform.endpoints.management}{path}", json=json, headers=headers)

    def raw(self, method: str, path: str, content: bytes, *, headers: Headers = ()) -> Exchange:
        """A body that goes out as it is, for requests that are wrong on purpose."""
        url = f"{self.wire.platform.endpoints.gateway}{path}"
        return self._send(method, url, content=content, headers=headers)

    def _send(self, method: str, url: str, *, headers: Headers = (), **parts: Any) -> Exchange:
        own = list(self.headers.items()) if hasattr(self.headers, "items") else list(self.headers)
        extra = list(headers.items()) if hasattr(headers, "items") else list(headers)
        return self.wire.send(
            Call(
                method,
                url,
                credential=self.credential.secret(),
                credential_scheme=self.scheme,
                headers=[*own, *extra],
                timeout_s=self.wire.platform.parameters.request_timeout_s,
                **parts,
            )
        )
