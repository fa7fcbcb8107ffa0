"""Somebody who calls the platform with one credential; every call is measured, recorded, and entered into the client's book."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from harness.client.exchange import Exchange
from harness.client.measuring import Call, Headers, MeasuringClient
from harness.client.official import OfficialCall, OfficialClients, Via
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.engine.recorder import Recorder
from harness.ledger.account import Account
from harness.ledger.book import ClientBook
from harness.platforms.platform import ModelHandle, Platform
from harness.world.inference import CHAT, PATHS, Ask


@dataclass(frozen=True, slots=True)
class Wire:
    """The way from one check to the platform: its client, its evidence, its book."""

    platform: Platform
    client: MeasuringClient
    recorder: Recorder
    book: ClientBook
    official: OfficialClients | None = None

    def send_officially(self, call: OfficialCall) -> Exchange:
        """The same, made by an official client. Raises ValueError where this wire has none."""
        if self.official is None:
            raise ValueError("this wire was made without official clients")
        return self.official.send(call, observer=self.recorder.exchange)

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
    via: Via = "http"

    def over(self, via: Via) -> "Caller":
        """The same caller with that client: inference calls alone, since the official ones know nothing else of a platform."""
        return replace(self, via=via)

    def infer(
        self,
        ask: Ask = CHAT,
        *,
        model: ModelHandle | None = None,
        headers: Headers = (),
        abort_after: int | None = None,
        patience_s: float | None = None,
    ) -> Exchange:
        """POST one inference request to a model, by default to the caller's own.

        `abort_after` leaves a stream after that many events, `patience_s` any answer that is silent for so long.
        """
        target = model or self.model
        exchange = self._ask(ask, target, headers, abort_after, patience_s)
        if exchange.status == 429 and self._is_lent:
            raise NotReady(
                "the key that the person gave is out of budget (429): give one with more, or wait for its window"
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

    @property
    def _is_lent(self) -> bool:
        """Whether the key was given for the run: then its budget is not the check's, and that it is spent says nothing of the platform."""
        given = self.wire.platform.credentials
        return self.credential in [Given(key) for key in (given.api_key, given.second_api_key) if key]

    def _ask(
        self, ask: Ask, model: ModelHandle, headers: Headers, abort_after: int | None, patience_s: float | None
    ) -> Exchange:
        gateway = self.wire.platform.endpoints.gateway
        timeout_s = patience_s or self.wire.platform.parameters.request_timeout_s
        if self.via == "http":
            url, body = ask.url(gateway, model), ask.body(model)
            return self._send("POST", url, json=body, headers=headers, abort_after=abort_after, timeout_s=timeout_s)
        if self.scheme != "Bearer ":
            raise ValueError(
                "an official client writes the Authorization header itself: change the scheme over http alone"
            )
        call = OfficialCall(
            ask.base(gateway, model),
            PATHS[ask.endpoint],
            ask.body(model),
            credential=self.credential.secret(),
            headers=[*_pairs(self.headers), *_pairs(headers)],
            timeout_s=timeout_s,
            abort_after=abort_after,
        )
        return self.wire.send_officially(call)

    def _send(
        self, method: str, url: str, *, headers: Headers = (), timeout_s: float | None = None, **parts: Any
    ) -> Exchange:
        return self.wire.send(
            Call(
                method,
                url,
                credential=self.credential.secret(),
                credential_scheme=self.scheme,
                headers=[*_pairs(self.headers), *_pairs(headers)],
                timeout_s=timeout_s or self.wire.platform.parameters.request_timeout_s,
                **parts,
            )
        )


def _pairs(headers: Headers) -> list[tuple[str, str]]:
    return list(headers.items()) if isinstance(headers, Mapping) else list(headers)
