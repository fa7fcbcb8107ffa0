"""OIDC tokens: signed by real keys, published by an issuer that the test plays."""

import asyncio
import hmac
import json
import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64encode

from harness.simulator.gateway.authorizer.credentials import Credentials
from harness.simulator.gateway.authorizer.decision import DENIED, UNAUTHENTICATED, Identity, UnavailableError
from harness.simulator.gateway.authorizer.oidc import Issuer, OidcTokens, issuer_at, issuer_in
from harness.simulator.gateway.authorizer.quirks import Quirk

URL = "https://issuer.example/realms/maas"
NOW = 1_800_000_000
EVERYONE = "system:authenticated"
ALICE = Identity("alice", (EVERYONE, "a"))


def encoded(part: dict) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode()


class Realm:
    """An issuer with keys, counting how often they are fetched."""

    def __init__(self, quirks: frozenset[Quirk] = frozenset()) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
        self.published: list[Any] = [self.key]
        self.brought: list[Any] = []
        self.fetched = 0
        self.claimed = URL
        self.down = False
        self.clock = 100.0
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.tokens = OidcTokens(client, lambda: Issuer(URL, "maas"), quirks, clock=lambda: self.clock, now=lambda: NOW)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            return httpx.Response(503)
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return httpx.Response(200, json={"issuer": self.claimed, "jwks_uri": URL + "/certs"})
        self.fetched += 1
        published = [key.as_dict(private=False) for key in self.published]
        return httpx.Response(200, json={"keys": [*self.brought, *published]})

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
    assert realm.identify(realm.token(**claims)) == DENIED


@pytest.mark.row("MAAS-AUTH-013")
@pytest.mark.parametrize("audience", [None, "account", ["account", "other"]])
def test_a_token_that_names_no_client_must_be_meant_for_ours(realm: Realm, audience: Any) -> None:
    assert realm.identify(realm.token(azp=None, aud=audience)) == DENIED
    assert realm.identify(realm.token(azp=None, aud="maas")) == ALICE
    assert realm.identify(realm.token(azp=None, aud=["account", "maas"])) == ALICE
    lenient = Realm(frozenset({Quirk.CLIENT_MAY_BE_MISSING}))
    assert lenient.identify(lenient.token(azp=None, aud=audience)) == ALICE


@pytest.mark.row("MAAS-KEY-088")
@pytest.mark.parametrize(
    "claims",
    [
        {"preferred_username": "system:admin"},
        {"preferred_username": "system:serviceaccount:kube-system:root"},
        {"preferred_username": None, "sub": "system:admin"},
        {"groups": ["a", "system:masters"]},
    ],
)
def test_names_of_the_cluster_are_not_an_issuers_to_give(realm: Realm, claims: dict) -> None:
    assert realm.identify(realm.token(**claims)) == DENIED
    lenient = Realm(frozenset({Quirk.ISSUERS_NAME_CLUSTER_USERS}))
    assert isinstance(lenient.identify(lenient.token(**claims)), Identity)


def test_everybody_is_authenticated_whoever_says_so(realm: Realm) -> None:
    assert realm.identify(realm.token(groups=["a", EVERYONE])) == ALICE


@pytest.mark.parametrize("name", ["al\nice", "a\x00b", "x" * 257])
def test_a_name_that_could_break_out_of_a_header_is_refused(realm: Realm, name: str) -> None:
    assert realm.identify(realm.token(preferred_username=name)) == DENIED


def test_keys_that_sign_nothing_or_are_of_an_unknown_kind_hide_no_other(realm: Realm) -> None:
    encrypts = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"})
    unknown = {"kty": "AKP", "alg": "ML-DSA-65", "kid": "new", "use": "sig", "pub": "AA"}
    broken = {"kty": "OKP", "crv": "Ed448", "kid": "short", "use": "sig", "x": "AA"}
    realm.brought = [encrypts.as_dict(private=False), unknown, broken]
    assert realm.identify(realm.token()) == ALICE
    signs = RSAKey.import_key(encrypts.as_pem(private=True), {"kid": "enc"})
    assert realm.identify(realm.token(signs)) is None


def test_an_issuer_that_publishes_no_key_that_signs_decides_nothing(realm: Realm) -> None:
    token = realm.token()
    realm.published = []
    realm.brought = [RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"}).as_dict(private=False)]
    with pytest.raises(UnavailableError, match="no key that signs"):
        realm.identify(token)


def test_keys_are_kept_for_their_time_and_fetched_anew_for_an_unknown_one(realm: Realm) -> None:
    realm.identify(realm.token())
    realm.identify(realm.token())
    assert realm.fetched == 1
    rotated = ECKey.generate_key("P-256", {"kid": "two"})
    realm.published = [realm.key, rotated]
    assert realm.identify(realm.token(rotated, "ES256")) is None
    realm.clock += 1.5
    assert realm.identify(realm.token(rotated, "ES256")) == Identity("alice", (EVERYONE, "a"))
    assert realm.fetched == 2
    realm.clock += 100
    assert realm.identify(realm.token(exp=NOW - 1)) is None
    assert realm.fetched == 2
    realm.clock += 301
    realm.identify(realm.token())
    assert realm.fetched == 3


@pytest.mark.row("MAAS-AUTH-068")
def test_without_the_issuers_keys_nothing_is_decided(realm: Realm) -> None:
    realm.down = True
    with pytest.raises(UnavailableError):
        realm.identify(realm.token())


@pytest.mark.row("MAAS-AUTH-068")
def test_known_keys_last_their_time_while_the_issuer_is_down_and_no_longer(realm: Realm) -> None:
    assert realm.identify(realm.token()) == ALICE
    realm.down = True
    realm.clock += 299
    assert realm.identify(realm.token()) == ALICE
    stranger = RSAKey.generate_key(2048, {"kid": "two"})
    assert realm.identify(realm.token(stranger)) is None
    realm.clock += 2
    with pytest.raises(UnavailableError):
        realm.identify(realm.token())


def test_many_who_ask_at_once_fetch_once(realm: Realm) -> None:
    async def scenario() -> list[Any]:
        return await asyncio.gather(*(realm.tokens.identify(realm.token()) for _ in range(20)))

    assert asyncio.run(scenario()) == [ALICE] * 20
    assert realm.fetched == 1


def test_a_discovery_document_of_another_issuer_is_not_believed(realm: Realm) -> None:
    realm.claimed = "https://elsewhere.example"
    with pytest.raises(UnavailableError):
        realm.identify(realm.token())


@pytest.mark.parametrize("header", ["jwk", "jku"])
def test_a_key_that_the_token_brings_along_is_not_believed(realm: Realm, header: str) -> None:
    own = RSAKey.generate_key(2048, {"kid": "one"})
    extra = own.as_dict(private=False) if header == "jwk" else "https://elsewhere.example/keys"
    body = {"iss": URL, "sub": "x", "azp": "maas", "exp": NOW + 60}
    assert realm.identify(jwt.encode({"alg": "RS256", "kid": "one", header: extra}, body, own)) is None
    assert realm.fetched == 1


def policy(name: str, created: str, **rules: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "ingress", "creationTimestamp": created},
        "spec": {"targetRef": {"kind": "Gateway", "name": "blue"}, "defaults": {"rules": rules}},
    }


BOUND = {"patternMatching": {"patterns": [{"selector": "auth.identity.azp", "operator": "eq", "value": "maas"}]}}


@pytest.mark.row("MAAS-AUTH-010", "MAAS-MT-007")
def test_a_gateway_trusts_the_issuer_of_the_policy_in_force_on_it() -> None:
    trusting = policy(
        "a",
        "2026-01-02",
        authentication={"o": {"jwt": {"issuerUrl": URL + "/", "ttl": 30}}},
        authorization={"c": BOUND},
    )
    older = policy("b", "2026-01-01", authentication={"o": {"jwt": {"issuerUrl": "https://old.example"}}})
    policies = {("ingress", "a"): trusting, ("ingress", "b"): older}
    assert issuer_at(("ingress", "blue"), policies) == Issuer(URL, "maas", 30.0)
    assert issuer_at(("ingress", "green"), policies) is None
    assert issuer_at(("elsewhere", "blue"), policies) is None


def test_an_issuer_without_a_client_lets_nobody_in() -> None:
    assert issuer_in(policy("a", "", authentication={"o": {"jwt": {"issuerUrl": URL}}})) is None
    assert issuer_in(policy("a", "", authorization={"c": BOUND})) is None


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


def test_an_answer_about_a_token_is_repeated_no_longer_than_the_token_lasts() -> None:
    class Brief(Nobody):
        async def identify(self, token: str) -> Identity:
            self.asked.append(token)
            return Identity("alice", (), expires=time.time() + {"brief": 0.05, "gone": -1, "long": 500}[token])

    brief = Brief()
    credentials = Credentials(brief, brief, 60.0, brief)

    async def scenario() -> list[Any]:
        names = ("gone", "brief", "long")
        return [await credentials.identify({"authorization": f"Bearer {name}"}) for name in names]

    started = time.monotonic()
    gone, short, long = asyncio.run(scenario())
    assert (gone.value, gone.until) == (UNAUTHENTICATED, 0.0)
    assert short.until <= started + 2 < long.until
    assert short.value == long.value == Identity("alice", ())
