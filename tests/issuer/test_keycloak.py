"""A Keycloak as the harness uses it: what settings name one, what a run asks of it, and that a run leaves nothing there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from harness.client.keycloak import Keycloak, Realm
from harness.client.mappers import group_mapper
from harness.client.secret import Secret
from harness.engine.failure import NotReady
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.embedded.settings import EmbeddedSettings
from harness.platforms.issuer import keycloak_in, tried
from harness.platforms.keycloak import Mark, TrustedKeycloak
from harness.platforms.keycloak_remains import left_behind, sweep
from harness.simulator.issuer.__main__ import CA_FILE
from harness.world.keycloak import KeycloakIssuer
from harness.world.oidc import OidcUser
from tests.issuer.keycloak import ADMINISTRATOR, home, running

RUN, DEAD = "0123456789ab", "dead0123dead"
JUDGE, JUDGES_SECRET, GROUP = "judge", "of the judge", "mc-1:team"


def written(folder: Path, text: str = "s3cret") -> dict[str, str]:
    """Settings that name a Keycloak, its administrator's secret in a file."""
    file = folder / "secret"
    file.write_text(text, encoding="utf-8")
    return {
        "oidc-issuer": "https://idp.example:8443/auth/realms/maas",
        "keycloak-admin-client": JUDGE,
        "keycloak-admin-secret-file": str(file),
    }


# --- settings -----------------------------------------------------------------------------------------------------------------


def test_settings_name_a_realm_and_whoever_administers_it(tmp_path: Path) -> None:
    found = keycloak_in(written(tmp_path, "s3cret\n"))
    assert found is not None
    assert (found.url, found.realm, found.client) == ("https://idp.example:8443/auth", "maas", "maas")
    assert (found.issuer, found.admin_realm) == ("https://idp.example:8443/auth/realms/maas", "master")
    assert found.admin_secret == Secret("s3cret")
    assert "s3cret" not in repr(found) + found.model_dump_json()


def test_every_run_has_a_mark_of_its_own(tmp_path: Path) -> None:
    first, second = keycloak_in(written(tmp_path)), keycloak_in(written(tmp_path))
    assert first is not None
    assert second is not None
    assert first.run_id != second.run_id
    chosen = keycloak_in(written(tmp_path), "0123456789ab")
    assert chosen is not None
    assert Mark.of(chosen.named("own")) == Mark(run_id="0123456789ab", made_at=int(chosen.named("").split("-")[-2]))


@pytest.mark.parametrize("name", ["maas-conformance-test-1700000000-x", "maas-conformance-0123456789ab-own", "maas"])
def test_a_name_that_only_begins_as_ours_do_is_no_run_s(name: str) -> None:
    assert Mark.of(name) is None


def test_who_names_no_administrator_names_no_keycloak() -> None:
    assert keycloak_in({"oidc-issuer": "https://idp.example/realms/maas"}) is None


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"keycloak-admin-client": None}, "one of them is missing"),
        ({"keycloak-admin-secret-file": None}, "one of them is missing"),
        ({"oidc-issuer": None}, "one of them is missing"),
        ({"oidc-issuer": "http://idp.example/realms/maas"}, "https://HOST/realms/NAME"),
        ({"oidc-issuer": "https://idp.example"}, "https://HOST/realms/NAME"),
        ({"oidc-issuer": "https://idp.example/realms/a/b"}, "https://HOST/realms/NAME"),
        ({"keycloak-admin-secret-file": "nowhere"}, "no file"),
        ({"oidc-ca": "nowhere"}, "no file"),
    ],
)
def test_half_a_keycloak_is_one_sentence(tmp_path: Path, changes: dict[str, str | None], word: str) -> None:
    given = {key: text for key, text in (written(tmp_path) | changes).items() if text is not None}
    with pytest.raises(UsageFault, match=word) as raised:
        keycloak_in(given)
    assert "\n" not in str(raised.value)


def test_an_empty_secret_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match="which is empty"):
        keycloak_in(written(tmp_path, "\n"))


def test_an_embedded_platform_takes_a_keycloak_and_no_other_issuer(tmp_path: Path) -> None:
    given = written(tmp_path)
    found = EmbeddedSettings.read(given, "mock").keycloak
    assert found is not None
    assert found.issuer == given["oidc-issuer"]
    with pytest.raises(UsageFault, match="has an issuer of its own"):
        EmbeddedSettings.read({"oidc-issuer": given["oidc-issuer"]}, "mock")


def test_a_keycloak_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    given = written(tmp_path) | {"oidc-issuer": "https://127.0.0.1:1/realms/maas"}
    with pytest.raises(EnvironmentFault, match="does not answer") as raised, tried(keycloak_in(given), print):
        pytest.fail("the platform was opened")
    assert "\n" not in str(raised.value)


# --- a real one ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keycloak")


@pytest.fixture(scope="module")
def keycloak(directory: Path) -> Iterator[Keycloak]:
    """A server with a realm as docs/oidc.md makes it, and an administrator who may do no more than is asked there."""
    with running(home(), directory) as found:
        realm = found.realm("maas")
        realm.make()
        realm.put_client("maas", directAccessGrantsEnabled=True, protocolMappers=[group_mapper()])
        judged_by(found, JUDGE, JUDGES_SECRET)
        yield found


def judged_by(keycloak: Keycloak, client: str, secret: str) -> None:
    """A client of `master` that may create realms and manage the realm `maas`."""
    master = keycloak.realm("master")
    identifier = master.put_client(client, secret=secret, serviceAccountsEnabled=True)
    account = keycloak.ask("GET", f"/admin/realms/master/clients/{identifier}/service-account-user").json()["id"]
    mapped = f"/admin/realms/master/users/{account}/role-mappings"
    keycloak.ask("POST", f"{mapped}/realm", [keycloak.ask("GET", "/admin/realms/master/roles/create-realm").json()])
    managed = master.client("maas-realm")
    assert managed is not None
    of_realm = f"/admin/realms/master/clients/{managed['id']}/roles"
    roles = ("manage-users", "manage-clients", "manage-realm")
    wanted = [keycloak.ask("GET", f"{of_realm}/{role}").json() for role in roles]
    keycloak.ask("POST", f"{mapped}/clients/{managed['id']}", wanted)


@pytest.fixture(scope="module")
def trusted(keycloak: Keycloak, directory: Path) -> TrustedKeycloak:
    return TrustedKeycloak(
        url=keycloak.url,
        realm="maas",
        ca_file=directory / CA_FILE,
        admin_client=JUDGE,
        admin_secret=Secret(JUDGES_SECRET),
        run_id=RUN,
    )


@pytest.fixture(scope="module")
def issuer(trusted: TrustedKeycloak) -> Iterator[KeycloakIssuer]:
    """The issuer of a platform that is open, as checks have it; when the platform is closed, nothing of it is left."""
    with tried(trusted, print), trusted.connected() as connected:
        before = inventory(connected.realm("maas"), trusted)
        yield KeycloakIssuer(trusted, connected, "maas")
    with trusted.connected() as connected:
        assert inventory(connected.realm("maas"), trusted) == before


def inventory(realm: Realm, trusted: TrustedKeycloak) -> tuple[set[str], ...]:
    """Who is in a realm, in which groups there are, and what carries the run's mark; one of Keycloak's own keys comes about by use."""
    return (
        {str(user["username"]) for user in realm.users("")},
        {str(group["name"]) for group in realm.groups("")},
        {entry.name for entry in left_behind(realm.keycloak, realm.name, run_id=trusted.run_id)},
    )


def verified(issuer: KeycloakIssuer, token: Secret) -> jwt.Token:
    keys = KeySet.import_key_set({"keys": [dict(key) for key in issuer.published()]})
    return jwt.decode(token.reveal(), keys, algorithms=["RS256", "ES256"])


def test_a_user_logs_in_and_the_token_outlives_them(issuer: KeycloakIssuer) -> None:
    said = verified(issuer, issuer.login(OidcUser("mc-1-user", (GROUP,)))).claims
    assert (said["iss"], said["azp"]) == (issuer.url, "maas")
    assert (said["preferred_username"], said["groups"]) == ("mc-1-user", [GROUP])
    assert "groups" not in verified(issuer, issuer.login(OidcUser("mc-1-user"))).claims


def test_a_token_says_what_no_user_s_does(issuer: KeycloakIssuer) -> None:
    wish = {"sub": "x", "preferred_username": "system:admin", "groups": ['a","b', "line\nbreak"], "azp": "others"}
    said = verified(issuer, issuer.sign({**wish, "aud": ["one", "two"], "nbf": 4_000_000_000})).claims
    assert {claim: said[claim] for claim in wish} == wish
    assert (set(said["aud"]), said["nbf"], said["iss"]) == ({"one", "two"}, 4_000_000_000, issuer.url)
    nameless = verified(issuer, issuer.sign({"sub": "x", "preferred_username": None})).claims
    assert (nameless["sub"], nameless["azp"], "preferred_username" in nameless) == ("x", "maas", False)


def test_a_token_whose_time_is_over_is_waited_for(issuer: KeycloakIssuer) -> None:
    said = verified(issuer, issuer.sign({"sub": "x"}, expires_in=-1)).claims
    assert said["exp"] - said["iat"] == 1


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_new_key_signs_for_those_alone_who_name_it(issuer: KeycloakIssuer, algorithm: str) -> None:
    usual = verified(issuer, issuer.sign({})).header["kid"]
    kid = issuer.new_key(algorithm)
    header = verified(issuer, issuer.sign({}, kid=kid)).header
    assert (header["kid"], header["alg"]) == (kid, algorithm)
    assert {verified(issuer, token).header["kid"] for token in (issuer.sign({}), issuer.login(OidcUser("ann")))} == {
        usual
    }


def test_a_realm_of_a_check_s_own_is_another_issuer(issuer: KeycloakIssuer) -> None:
    own = issuer.realm("own")
    said = verified(own, own.login(OidcUser("mc-1-user", (GROUP,)))).claims
    assert (said["iss"], said["azp"], said["groups"]) == (own.url, "maas", [GROUP])
    assert own.url.startswith(f"{issuer.trusted.url}/realms/maas-conformance-{RUN}-")
    assert {key["kid"] for key in own.published()}.isdisjoint(key["kid"] for key in issuer.published())


@pytest.mark.parametrize("wish", [{"azp": None}, {"azp": ""}, {"exp": None}, {"iss": "https://other.example"}])
def test_what_a_keycloak_never_signs_is_a_need_of_its_own(issuer: KeycloakIssuer, wish: dict[str, str | None]) -> None:
    with pytest.raises(NotReady, match="any-token"):
        issuer.sign(wish)


def test_a_client_whose_tokens_say_no_groups_is_one_sentence(keycloak: Keycloak, trusted: TrustedKeycloak) -> None:
    keycloak.realm("maas").put_client("bare", directAccessGrantsEnabled=True)
    bare = trusted.model_copy(update={"client": "bare", "run_id": "ba9eba9eba9e"})
    with pytest.raises(EnvironmentFault, match="Group Membership mapper") as raised, tried(bare, print):
        pytest.fail("the platform was opened")
    assert "\n" not in str(raised.value)


def test_whoever_may_not_create_realms_is_told_which_role_is_missing(
    keycloak: Keycloak, trusted: TrustedKeycloak
) -> None:
    judged_by(keycloak, "narrow", "of the narrow")
    account = keycloak.realm("master").users("service-account-narrow")[0]["id"]
    role = keycloak.ask("GET", "/admin/realms/master/roles/create-realm").json()
    keycloak.ask("DELETE", f"/admin/realms/master/users/{account}/role-mappings/realm", [role])
    login = {"admin_client": "narrow", "admin_secret": Secret("of the narrow")}
    narrow = trusted.model_copy(update={**login, "run_id": "a1a1a1a1a1a1"})
    with pytest.raises(EnvironmentFault, match="create-realm"), tried(narrow, print):
        pytest.fail("the platform was opened")


def test_what_a_dead_run_left_is_found_by_its_mark_whoever_looks(trusted: TrustedKeycloak) -> None:
    dead = trusted.model_copy(update={"run_id": DEAD})
    with dead.connected() as keycloak:
        realm, issuer = keycloak.realm("maas"), KeycloakIssuer(dead, keycloak, "maas")
        before = {entry.name for entry in left_behind(keycloak, "maas")}
        issuer.realm("own")
        issuer.new_key()
        realm.put_group("mc-2:team", mark=dead.named())
        realm.put_user("mc-2-user", Secret("x"), ["mc-2:team"], mark=dead.named())
        realm.put_client(dead.named("client"), secret="x")
        realm.put_client("maas-conformance-of-somebody-s-own")
    with trusted.connected() as keycloak:
        assert left_behind(keycloak, "maas", run_id=DEAD, older_than_s=600) == []
        found = sweep(keycloak, "maas", run_id=DEAD)
        assert [entry.kind for entry in found] == ["user", "group", "client", "key provider", "realm"]
        assert [entry.name for entry in found[:2]] == ["mc-2-user", "mc-2:team"]
        assert {entry.name for entry in left_behind(keycloak, "maas")} == before
        own = keycloak.realm("maas").client("maas-conformance-of-somebody-s-own")
        assert own is not None, "it is nobody's remains"
        keycloak.realm("maas").forget_client(str(own["id"]))


def test_the_first_administrator_will_do_as_well(keycloak: Keycloak) -> None:
    assert keycloak.realm("master").client(ADMINISTRATOR) is not None
