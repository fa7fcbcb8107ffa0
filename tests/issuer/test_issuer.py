"""The issuer as a relying party, a person and a test meet it."""

import json
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import KeySet
from prometheus_client.parser import text_string_to_metric_families

from tests.issuer.conftest import Issuer, started

BOTH = ["ES256", "RS256"]


def claims_of(issuer: Issuer, token: str) -> dict[str, Any]:
    """Verified with the keys that are published now."""
    keys = KeySet.import_key_set({"keys": issuer.keys()})
    return jwt.decode(token, keys, algorithms=BOTH).claims


def signed(issuer: Issuer, **wish: Any) -> str:
    answer = issuer.admin("POST", "/tokens", wish)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def signing(issuer: Issuer) -> list[dict[str, Any]]:
    """The published keys but that for encryption, which no restart keeps: nobody uses it."""
    published = issuer.keys()
    return [key for key in published if key["use"] == "sig"]


def test_a_token_says_what_was_asked_on_top_of_the_usual(issuer: Issuer) -> None:
    claims = claims_of(issuer, signed(issuer, claims={"sub": "x", "groups": ["a"], "azp": None, "aud": ["one", "two"]}))
    assert (claims["iss"], claims["sub"], claims["groups"], claims["aud"]) == (issuer.realm, "x", ["a"], ["one", "two"])
    assert "azp" not in claims
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 60


def test_a_token_may_have_expired_long_ago(issuer: Issuer) -> None:
    claims = claims_of(issuer, signed(issuer, expires_in=-3600))
    assert claims["exp"] < time.time() - 3000


@pytest.mark.parametrize("algorithm", BOTH)
def test_a_new_key_is_published_beside_the_old_ones_and_signs(issuer: Issuer, algorithm: str) -> None:
    old = signed(issuer)
    kid = issuer.admin("POST", "/keys", {"algorithm": algorithm}).json()["kid"]
    new = signed(issuer)
    header = jwt.decode(new, KeySet.import_key_set({"keys": issuer.keys()}), algorithms=BOTH).header
    assert (header["kid"], header["alg"]) == (kid, algorithm)
    assert claims_of(issuer, old)["iss"] == issuer.realm


def test_a_key_may_be_for_those_alone_who_name_it(issuer: Issuer) -> None:
    kid = issuer.admin("POST", "/keys", {"signs": False}).json()["kid"]
    keys = KeySet.import_key_set({"keys": issuer.keys()})
    assert jwt.decode(signed(issuer), keys, algorithms=BOTH).header["kid"] != kid
    assert jwt.decode(signed(issuer, kid=kid), keys, algorithms=BOTH).header["kid"] == kid


def test_a_withdrawn_key_is_published_no_longer_and_the_signing_one_stays(issuer: Issuer) -> None:
    kid = issuer.admin("POST", "/keys", {"signs": False}).json()["kid"]
    token = signed(issuer, kid=kid)
    assert issuer.admin("DELETE", f"/keys/{kid}").status_code == 204
    with pytest.raises((JoseError, ValueError)):
        claims_of(issuer, token)
    refused = issuer.admin("DELETE", f"/keys/{jwt_header(signed(issuer))['kid']}")
    assert (refused.status_code, "rotate first" in refused.json()["error"]) == (404, True)


def jwt_header(token: str) -> dict[str, Any]:
    from joserfc.util import urlsafe_b64decode

    return json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))


def test_no_private_part_of_a_key_is_published(issuer: Issuer) -> None:
    shown = issuer.admin("GET", "").json()["jwks"]["keys"]
    for key in [*issuer.keys(), *shown]:
        assert set(key) <= {"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"}


def test_people_log_in_and_their_groups_are_those_of_the_moment(issuer: Issuer) -> None:
    for groups in (["a", "b"], []):
        issuer.admin("PUT", "/users/ann", {"password": "p w+d", "groups": groups})
        answer = issuer.token(grant_type="password", client_id="maas", username="ann", password="p w+d")
        claims = claims_of(issuer, answer.json()["access_token"])
        assert (claims["preferred_username"], claims.get("groups", []), claims["azp"]) == ("ann", groups, "maas")


def test_a_program_with_a_secret_is_an_account_of_its_own(issuer: Issuer) -> None:
    issuer.admin("PUT", "/clients/robot", {"secret": "s3"})
    answer = issuer.token(grant_type="client_credentials", client_id="robot", client_secret="s3")
    claims = claims_of(issuer, answer.json()["access_token"])
    assert (claims["preferred_username"], claims["azp"], "groups" in claims) == (
        "service-account-robot",
        "robot",
        False,
    )


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": "password", "client_id": "maas", "username": "ann", "password": "no"}, 401, "invalid_grant"),
        ({"grant_type": "password", "client_id": "maas", "username": "bo", "password": "x"}, 401, "invalid_grant"),
        ({"grant_type": "password", "client_id": "who", "username": "ann", "password": "x"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "maas"}, 401, "unauthorized_client"),
        ({"grant_type": "implicit", "client_id": "maas"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
    ],
)
def test_a_login_is_refused_in_the_words_of_oauth(issuer: Issuer, form: dict[str, str], status: int, code: str) -> None:
    issuer.admin("PUT", "/users/ann", {"password": "p w+d"})
    answer = issuer.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, code)


def test_realms_are_issuers_apart(issuer: Issuer) -> None:
    other = f"{issuer.part.endpoints['admin']}/realms/other"
    url = issuer.http.put(other, json={"algorithm": "RS256"}).json()["issuer"]
    token = issuer.http.post(f"{other}/tokens", json={"claims": {"iss": issuer.realm}}).json()["access_token"]
    assert url == f"{issuer.part.endpoints['issuer']}/realms/other"
    with pytest.raises((BadSignatureError, JoseError, ValueError)):
        claims_of(issuer, token)
    assert issuer.http.delete(other).status_code == 204
    assert issuer.http.get(f"{url}/.well-known/openid-configuration").status_code == 404


def test_a_realm_can_be_down_while_the_others_are_not(issuer: Issuer) -> None:
    admin = f"{issuer.part.endpoints['admin']}/realms/down"
    url = issuer.http.put(admin, json={}).json()["issuer"]
    for available, status in ((False, 503), (True, 200)):
        assert issuer.http.put(f"{admin}/availability", json={"available": available}).status_code == 200
        for path in ("/.well-known/openid-configuration", "/protocol/openid-connect/certs"):
            assert issuer.http.get(url + path).status_code == status
        assert issuer.keys()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("POST", "/tokens", {"claim": {}}, 422, "claim"),
        ("POST", "/tokens", {"expires_in": "soon"}, 422, "expires_in"),
        ("POST", "/tokens", {"kid": "nobody's"}, 404, "has no key"),
        ("POST", "/keys", {"algorithm": "none"}, 422, "algorithm"),
        ("PUT", "/users/x", {"password": ""}, 422, "password"),
        ("DELETE", "/keys/nobody", None, 404, "has no key"),
    ],
)
def test_a_wrong_wish_gets_one_sentence(
    issuer: Issuer, method: str, path: str, body: Any, status: int, word: str
) -> None:
    answer = issuer.admin(method, path, body)
    assert (answer.status_code, word in answer.json()["error"]) == (status, True)


def test_series_count_keys_and_who_asks_for_them(issuer: Issuer) -> None:
    def fetched() -> float:
        text = issuer.http.get(f"{issuer.part.endpoints['admin']}/metrics").text
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        return sum(
            one.value
            for one in samples
            if one.name == "oidc_issuer_key_fetches_total" and one.labels["realm"] == "maas"
        )

    before = fetched()
    issuer.keys()
    assert fetched() == before + 1


def test_an_issuer_that_is_started_again_has_its_keys_its_people_and_its_certificate(tmp_path: Path) -> None:
    first = started(tmp_path)
    first.admin("PUT", "/users/ann", {"password": "p", "groups": ["a"]})
    first.admin("POST", "/keys", {"algorithm": "RS256"})
    token, keys = signed(first), signing(first)
    first.part.stop()
    port = urlsplit(first.part.endpoints["issuer"]).netloc
    saved = tmp_path / "issuer" / "realms.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    second = started(tmp_path, "--bind", port)
    try:
        assert signing(second) == keys
        assert claims_of(second, token)["iss"] == second.realm
        assert second.token(grant_type="password", client_id="maas", username="ann", password="p").status_code == 200
        assert jwt_header(signed(second))["alg"] == "RS256"
        assert first.http.get(f"{second.realm}/.well-known/openid-configuration").status_code == 200
    finally:
        second.part.stop()


@pytest.mark.parametrize(
    ("content", "arguments", "word"),
    [("{", (), "realms.json"), ("", ("--bind", "nowhere"), "HOST:PORT")],
    ids=["saved realms", "bind"],
)
def test_a_start_that_cannot_be_is_one_sentence(
    tmp_path: Path, content: str, arguments: tuple[str, ...], word: str
) -> None:
    if content:
        (tmp_path / "realms.json").write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "harness.simulator.issuer", "--dir", str(tmp_path), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr.count("\n"), word in ended.stderr) == (3, 1, True)
