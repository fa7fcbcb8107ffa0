"""Users of an issuer as a check makes them up."""

from collections.abc import Iterator

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from harness.client.measuring import MeasuringClient
from harness.engine.failure import NotReady
from harness.platforms.platform import Endpoints
from harness.world.governance import People
from harness.world.identity import AUTHENTICATED, Person
from harness.world.oidc import OidcToken, OidcUser, OwnIssuer, issuer_of
from tests.issuer.conftest import Issuer as Process
from tests.issuer.conftest import started


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    found = started(tmp_path_factory.mktemp("issuer"))
    yield found
    found.http.close()
    found.part.stop()


@pytest.fixture
def endpoints(process: Process) -> Endpoints:
    admin = process.part.endpoints["admin"]
    return Endpoints(gateway="http://g", management="http://g/maas-api", issuer=process.realm, issuer_admin=admin)


@pytest.fixture
def issuer(endpoints: Endpoints) -> Iterator[OwnIssuer]:
    client = MeasuringClient(ca_file=None, timeout_s=10)
    yield issuer_of(endpoints, client)
    client.close()


def said(issuer: OwnIssuer, text: str) -> jwt.Token:
    keys = KeySet.import_key_set({"keys": [dict(key) for key in issuer.published()]})
    return jwt.decode(text, keys, algorithms=["ES256", "RS256"])


class Host:
    """A world that keeps what was asked of it, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def settle(self) -> None:
        self.asked.append("settled")

    def await_listed(self, identity: Person, _token: object) -> None:
        self.asked.append(f"listed {identity.username}")


def test_a_user_is_somebody_whom_objects_may_name() -> None:
    user = OidcUser("ann", ("a", "b"))
    assert user.groups == ("a", "b", AUTHENTICATED)
    assert People.of([user, "group"]) == People(("ann",), ("group",))
    assert People(groups=("b",)).include(user)
    assert not People(users=("bob",), groups=("c",)).include(user)


def test_a_token_is_signed_once_when_it_is_needed_and_waits_until_its_user_is_known(issuer: OwnIssuer) -> None:
    host, user = Host(), OidcUser("ann", ("a",))
    credential = OidcToken(host, issuer, user)
    assert host.asked == []
    text = credential.secret().reveal()
    assert credential.secret().reveal() == text
    assert host.asked == ["settled", "listed ann"]
    claims = said(issuer, text).claims
    assert (claims["iss"], claims["preferred_username"], claims["groups"]) == (issuer.url, "ann", ["a"])
    assert text not in repr(credential)


@pytest.mark.parametrize(("changes", "expires_in"), [({"azp": None}, 300.0), ({}, -60.0)])
def test_a_token_that_will_be_refused_waits_for_nothing(
    issuer: OwnIssuer, changes: dict[str, None], expires_in: float
) -> None:
    host = Host()
    claims = said(issuer, OidcToken(host, issuer, OidcUser("ann"), changes, expires_in).secret().reveal()).claims
    assert host.asked == ["settled"]
    assert ("azp" in claims) is not bool(changes)
    assert claims["exp"] - claims["iat"] == expires_in


def test_another_key_signs_for_those_who_name_it(issuer: OwnIssuer) -> None:
    kid = issuer.new_key("RS256")
    usual = said(issuer, issuer.sign({}).reveal()).header
    named = said(issuer, issuer.sign({}, kid=kid).reveal()).header
    assert (named["kid"], named["alg"]) == (kid, "RS256")
    assert usual["kid"] != kid


def test_a_realm_of_a_checks_own_signs_with_keys_of_its_own(issuer: OwnIssuer) -> None:
    realm = issuer.realm("own")
    assert realm.url == issuer.url.replace("/maas", "/own")
    assert {key["kid"] for key in realm.published()}.isdisjoint(key["kid"] for key in issuer.published())
    assert said(realm, realm.sign({}).reveal()).claims["iss"] == realm.url


def test_what_the_issuer_refuses_is_no_fault_of_the_platform(issuer: OwnIssuer) -> None:
    with pytest.raises(NotReady, match="was answered with 404"):
        issuer.sign({}, kid="nobody's")


def test_a_platform_without_an_issuer_says_which_need_the_check_forgot(issuer: OwnIssuer) -> None:
    with pytest.raises(NotReady, match="should need 'oidc'"):
        issuer_of(Endpoints(gateway="http://g", management="http://g/maas-api"), issuer.client)
