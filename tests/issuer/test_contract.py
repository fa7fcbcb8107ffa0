"""The contract of an issuer, held by our own and by a real Keycloak: what the platform is tried with is what it will meet."""

import time
from collections.abc import Iterator

import pytest
from joserfc.errors import JoseError

from tests.issuer.conftest import started
from tests.issuer.keycloak import home, running
from tests.issuer.subject import (
    CLIENT,
    ROBOT,
    ROBOTS_SECRET,
    Ours,
    Subject,
    asked,
    configured,
    document,
    keys,
    login,
    verified,
)

PASSWORD = "p w+dü&=%"


@pytest.fixture(scope="module", params=["ours", "keycloak"])
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    """A realm of its own with ann in two groups, bo in none, and both clients."""
    if request.param == "ours":
        found = started(tmp_path_factory.mktemp("issuer"))
        found.admin("PUT", f"/clients/{ROBOT}", {"secret": ROBOTS_SECRET})
        yield peopled(Ours(found))
        found.http.close()
        found.part.stop()
        return
    with running(home(), tmp_path_factory.mktemp("keycloak")) as keycloak:
        yield peopled(configured(keycloak.realm("maas")))


def peopled(subject: Subject) -> Subject:
    subject.put_user("ann", PASSWORD, "team:one", "two")
    subject.put_user("bob", PASSWORD)
    return subject


def test_discovery_says_where_keys_and_tokens_are(subject: Subject) -> None:
    found = document(subject)
    assert found["issuer"] == subject.url
    assert found["jwks_uri"] == f"{subject.url}/protocol/openid-connect/certs"
    assert found["token_endpoint"] == f"{subject.url}/protocol/openid-connect/token"
    assert {"password", "client_credentials"} <= set(found["grant_types_supported"])
    assert {"client_secret_post", "client_secret_basic"} <= set(found["token_endpoint_auth_methods_supported"])
    assert {"ES256", "RS256"} <= set(found["id_token_signing_alg_values_supported"])


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/protocol/openid-connect/certs"])
def test_a_realm_that_is_not_there_is_not_found(subject: Subject, path: str) -> None:
    answer = subject.http.get(f"{subject.url}-of-nobody{path}")
    assert (answer.status_code, answer.json()) == (404, {"error": "Realm does not exist"})


def test_a_key_for_encryption_is_published_beside_those_that_sign(subject: Subject) -> None:
    used = {key["use"]: key["alg"] for key in keys(subject)}
    assert set(used) == {"sig", "enc"}
    assert used["enc"] == "RSA-OAEP"
    assert all({"kid", "kty", "alg"} <= set(key) and "d" not in key for key in keys(subject))


def test_a_token_says_who_logged_in_through_which_client(subject: Subject) -> None:
    token = verified(subject, login(subject, "ann", PASSWORD))
    said = token.claims
    assert (token.header["typ"], token.header["kid"] in {key["kid"] for key in keys(subject)}) == ("JWT", True)
    assert (said["iss"], said["azp"], said["typ"], said["aud"]) == (subject.url, CLIENT, "Bearer", "account")
    assert (said["preferred_username"], sorted(said["groups"])) == ("ann", ["team:one", "two"])
    assert said["exp"] - said["iat"] == 300
    assert abs(said["iat"] - time.time()) < 60
    assert said["sub"] == verified(subject, login(subject, "ann", PASSWORD)).claims["sub"]
    assert said["jti"] != verified(subject, login(subject, "ann", PASSWORD)).claims["jti"]


def test_of_who_is_in_no_group_nothing_is_said(subject: Subject) -> None:
    said = verified(subject, login(subject, "bob", PASSWORD)).claims
    assert (said["preferred_username"], "groups" in said) == ("bob", False)


def test_an_answer_says_how_long_the_token_counts_and_is_not_kept(subject: Subject) -> None:
    answer = asked(subject, grant_type="password", client_id=CLIENT, username="ann", password=PASSWORD)
    body = answer.json()
    assert (body["expires_in"], body["token_type"], answer.headers["cache-control"]) == (300, "Bearer", "no-store")
    assert set(body["scope"].split()) == {"profile", "email"}


@pytest.mark.parametrize("in_header", [False, True], ids=["in the form", "in the header"])
def test_a_program_is_an_account_of_its_own(subject: Subject, in_header: bool) -> None:
    if in_header:
        answer = asked(subject, (ROBOT, ROBOTS_SECRET), grant_type="client_credentials")
    else:
        answer = asked(subject, grant_type="client_credentials", client_id=ROBOT, client_secret=ROBOTS_SECRET)
    assert answer.status_code == 200, answer.text
    said = verified(subject, answer.json()["access_token"]).claims
    assert (said["preferred_username"], said["azp"], "groups" in said) == (f"service-account-{ROBOT}", ROBOT, False)


REFUSED = {
    "a wrong password": ({"grant_type": "password", "client_id": CLIENT, "username": "ann", "password": "no"}, 401, "invalid_grant"),
    "no password": ({"grant_type": "password", "client_id": CLIENT, "username": "ann"}, 401, "invalid_grant"),
    "nobody": ({"grant_type": "password", "client_id": CLIENT, "username": "eve", "password": "x"}, 401, "invalid_grant"),
    "no name": ({"grant_type": "password", "client_id": CLIENT}, 401, "invalid_request"),
    "no such client": ({"grant_type": "client_credentials", "client_id": "who", "client_secret": "x"}, 401, "invalid_client"),
    "a wrong secret": ({"grant_type": "client_credentials", "client_id": ROBOT, "client_secret": "nö"}, 401, "unauthorized_client"),
    "no secret": ({"grant_type": "client_credentials", "client_id": ROBOT}, 401, "unauthorized_client"),
    "a public client": ({"grant_type": "client_credentials", "client_id": CLIENT}, 401, "unauthorized_client"),
    "an unknown grant": ({"grant_type": "implicit", "client_id": CLIENT}, 400, "unsupported_grant_type"),
    "no grant": ({"client_id": CLIENT}, 400, "invalid_request"),
    "nothing": ({}, 400, "invalid_request"),
    "no client": ({"grant_type": "password", "username": "ann", "password": PASSWORD}, 401, "invalid_client"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_login_is_refused_in_the_same_words(subject: Subject, what: str) -> None:
    form, status, code = REFUSED[what]
    answer = asked(subject, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert answer.json()["error_description"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_wrong_secret_in_the_header_is_refused_as_in_the_form(subject: Subject) -> None:
    answer = asked(subject, (ROBOT, "no"), grant_type="client_credentials")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized_client")


def test_tokens_are_asked_for_by_post_alone(subject: Subject) -> None:
    assert subject.http.get(f"{subject.url}/protocol/openid-connect/token").status_code == 405


def test_a_token_whose_time_is_over_still_bears_its_signature(subject: Subject) -> None:
    assert verified(subject, subject.expired()).claims["exp"] < time.time()


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_new_key_signs_and_the_old_one_counts_until_it_is_withdrawn(subject: Subject, algorithm: str) -> None:
    old = subject.new_key(algorithm)
    before = login(subject, "ann", PASSWORD)
    new = subject.new_key(algorithm)
    after = login(subject, "ann", PASSWORD)
    assert [verified(subject, token).header["kid"] for token in (before, after)] == [old, new]
    assert verified(subject, after).header["alg"] == algorithm
    subject.withdraw(old)
    with pytest.raises((JoseError, ValueError)):
        verified(subject, before)
    assert verified(subject, after).claims["preferred_username"] == "ann"
