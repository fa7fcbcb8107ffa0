"""OIDC tokens: signed by real keys, published by an issuer that the test plays."""

import asyncio
import hmac
import json
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from joserfc.util import urlsafe_b64encode

from harness.simulator.gateway.authorizer.credentials import Credentials
from harness.simulator.gateway.authorizer.decision import DENIED, UNAUTHENTICATED, Identity, UnavailableError
from harness.simulator.gateway.authorizer.oidc import Issuer, OidcTokens, issuers

URL = "https://issuer.example/realms/maas"
NOW = 1_800_000_000
EVERYONE = "system:authenticated"


def encoded(part: dict) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode()


class Realm:
    """An issuer with keys, counting how often they are fetched."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.published: list[Any] = [self.key]
        self.fetched = 0
        self.down = False
        self.clock = 100.0
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.tokens = OidcTokens(client, lambda: {URL: Issuer(URL, "maas")}, lambda: self.clock, lambda: NOW)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return httpx.Response(200, json={"issuer": URL, "jwks_uri": URL + "/certs"})
        self.fetched += 1
        return httpx.Response(200, json=KeySet(self.published).as_dict(private=False))

    def token(self, key: Any = None, algorithm: str = "RS256", **claims: Any) -> str:
        key = key or self.key
        body = {
            "iss": URL,
            "sub": "id-1",
            "preferred_username": "alice",
            "azp": "maas",
            "exp": NOW + 60,
            "groups": ["a"],
        } | claims
        header = {"alg": algorithm, "kid": key.kid} if key.kid else {"alg": algorithm}
        return jwt.encode(
            header, {name: value for name, value in body.items() if value is not None}, key, algorithms=[algorithm]
        )

    def identify(self, token: str) -> Any:
        return asyncio.run(self.tokens.identify(token))


@pytest.fixture
def realm() -> Realm:
    return Realm()


@pytest.mark.row("MAAS-AUTH-010")
def test_a_verified_token_is_its_user_with_everyone_first(realm: Realm) -> None:
    assert realm.identify(realm.token()) == Identity("alice", (EVERYONE, "a"))


@pytest.mark.row("MAAS-AUTH-010", "MAAS-AUTH-015")
def test_the_subject_stands_in_for_a_missing_name_and_groups_may_be_absent(realm: Realm) -> None:
    assert realm.identify(realm.token(preferred_username=None, groups=None)) == Identity("id-1", (EVERYONE,))


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 1},
        {"exp": None},
        {"nbf": NOW + 60},
        {"sub": None, "preferred_username": None},
        {"groups": "admins"},
    ],
    ids=["expired", "no expiry", "not yet", "nobody", "groups is no list"],
)
def test_a_token_that_does_not_hold_is_unauthenticated(realm: Realm, claims: dict) -> None:
    assert realm.identify(realm.token(**claims)) is None


def test_a_tampered_or_foreign_signature_is_unauthenticated(realm: Realm) -> None:
    head, body, signature = realm.token().split(".")
    other = realm.token(RSAKey.generate_key(2048, {"kid": "one"}))
    assert realm.identify(f"{head}.{body}.{'A' * len(signature)}") is None
    assert realm.identify(other) is None
    assert realm.identify(f"{head}.{realm.token(preferred_username='admin').split('.')[1]}.{signature}") is None


def test_unsigned_and_symmetric_tokens_are_unauthenticated(realm: Realm) -> None:
    head = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    assert realm.identify(f"{head}.{realm.token().split('.')[1]}.") is None
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded({'iss': URL, 'sub': 'x', 'exp': NOW + 60})}"
    mac = hmac.new(realm.key.as_pem(private=False), signed.encode(), "sha256").digest()
    forged = f"{signed}.{urlsafe_b64encode(mac).decode()}"
    assert realm.identify(forged) is None


@pytest.mark.parametrize("token", ["garbage", "a.b.c", "..", "eyJhbGciOiJub25lIn0.W10.", "sha256~abc"])
def test_what_is_no_token_of_ours_is_left_to_the_next_source(realm: Realm, token: str) -> None:
    assert realm.identify(token) is None
    assert realm.identify(realm.token(iss="https://elsewhere.example")) is None
    assert realm.fetched == 0


@pytest.mark.row("MAAS-AUTH-012", "MAAS-AUTH-014")
@pytest.mark.parametrize(
    "claims",
    [
        {"azp": "other"},
        {"azp": ""},
        {"groups": ["fine", "unsafe;group"]},
        {"groups": ['a","b']},
        {"groups": [""]},
        {"groups": [7]},
    ],
)
def test_another_client_or_an_unsafe_group_is_refused(realm: Realm, claims: dict) -> None:
    assert realm.identify(realm.token(**claims)) is DENIED


def test_a_token_without_azp_is_accepted(realm: Realm) -> None:
    assert realm.identify(realm.token(azp=None)) == Identity("alice", (EVERYONE, "a"))


def test_keys_are_kept_for_their_time_and_fetched_anew_for_an_unknown_one(realm: Realm) -> None:
    realm.identify(realm.token())
    realm.identify(realm.token())
    assert realm.fetched == 1
    rotated = ECKey.generate_key("P-256", {"kid": "two"})
    realm.published = [realm.key, rotated]
    assert realm.identify(realm.token(rotated, "ES256")) is None
    realm.clock += 6
    assert realm.identify(realm.token(rotated, "ES256")) == Identity("alice", (EVERYONE, "a"))
    assert realm.fetched == 2
    realm.clock += 301
    realm.identify(realm.token())
    assert realm.fetched == 3


def test_without_the_issuers_keys_nothing_is_decided(realm: Realm) -> None:
    realm.down = True
    with pytest.raises(UnavailableError):
        realm.identify(realm.token())


@pytest.mark.row("MAAS-AUTH-010")
def test_issuers_come_from_tenants_that_are_not_being_deleted() -> None:
    oidc = {"issuerUrl": URL + "/", "clientId": "maas"}
    alive, plain = {"metadata": {}, "spec": {"oidc": oidc}}, {"metadata": {}, "spec": {}}
    gone = {"metadata": {"deletionTimestamp": "now"}, "spec": {"oidc": oidc | {"issuerUrl": "https://gone.example"}}}
    assert issuers([alive, plain, gone]) == {URL: Issuer(URL, "maas", 300.0)}


class Nobody:
    """Knows no key and no token, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def validate(self, key: str) -> Identity | None:
        self.asked.append(key)

    async def review(self, token: str) -> Identity | None:
        self.asked.append(token)


@pytest.mark.row("MAAS-AUTH-019")
def test_keys_come_before_issuers_and_issuers_before_the_cluster(realm: Realm) -> None:
    nobody = Nobody()
    credentials = Credentials(nobody, nobody, 0.0, realm.tokens)

    async def scenario() -> list[Any]:
        values = ("sk-oai-x", realm.token(), realm.token(azp="other"), "cluster-token")
        return [(await credentials.identify({"authorization": f"Bearer {value}"})).value for value in values]

    assert asyncio.run(scenario()) == [DENIED, Identity("alice", (EVERYONE, "a")), DENIED, UNAUTHENTICATED]
    assert nobody.asked == ["sk-oai-x", "cluster-token"]


@pytest.mark.row("MAAS-AUTH-018")
@pytest.mark.parametrize(
    ("open_door", "headers", "asked"),
    [
        (True, {"x-api-key": "sk-oai-k"}, ["sk-oai-k"]),
        (False, {"x-api-key": "sk-oai-k"}, []),
        (True, {"x-api-key": "other"}, []),
        (True, {"x-api-key": "sk-oai-k", "authorization": "Bearer token"}, ["token"]),
    ],
)
def test_the_key_header_counts_only_where_a_model_speaks_messages_and_never_over_authorization(
    open_door: bool, headers: dict[str, str], asked: list[str]
) -> None:
    nobody = Nobody()
    credentials = Credentials(nobody, nobody, 0.0, key_header=lambda: open_door)
    found = asyncio.run(credentials.identify(headers)).value
    assert nobody.asked == asked
    assert found is (DENIED if asked == ["sk-oai-k"] else UNAUTHENTICATED)
