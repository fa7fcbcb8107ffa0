"""A Keycloak by its administrative REST API: what a person does in its console before a platform can trust it, and what checks need of it.

Keycloak signs nothing on demand. It does sign what its clients' mappers say, so a client with mappers of the caller's choice, there for one
token, makes it sign nearly anything (`Realm.signed`).
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import httpx

from harness.client.mappers import claim_mappers
from harness.client.secret import Secret
from harness.client.trust import trust

FORM_TIMEOUT_S: Final = 30.0
CONNECT: Final = "/protocol/openid-connect"
MADE: Final = "maas-conformance-"
"""How the names of what we make for a moment begin, so that what a killed run leaves is known by it."""
MADE_AS: Final = "maas-conformance.dev/made-as"
"""The attribute of a group that says what its name cannot: it is the name that a token has to say."""
MOST: Final = "10000"
"""How many people or groups are listed at once; Keycloak lists a hundred unless told otherwise."""
EARLY_S: Final = 5.0
"""An administrator's token is renewed this long before it ends."""
_GENERATED: Final = {"ES256": "ecdsa-generated", "RS256": "rsa-generated", "PS256": "rsa-generated"}


class KeycloakError(Exception):
    """Keycloak did not answer, or not as asked; the text is one sentence and carries no secret."""


class Keycloak:
    """A server at `url` (without `/realms`), administered by a client of `realm` that has a service account."""

    def __init__(
        self, url: str, client_id: str, secret: Secret, *, realm: str = "master", ca_file: Path | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self.http = httpx.Client(verify=trust(ca_file), trust_env=False, timeout=FORM_TIMEOUT_S)
        self._login = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        self._realm = realm
        self._token: Secret | None = None
        self._renewed_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def realm(self, name: str) -> "Realm":
        """The realm of that name, which need not exist."""
        return Realm(self, name)

    def realms(self) -> Sequence[Mapping[str, Any]]:
        """Every realm that the administrator sees."""
        found: Sequence[Mapping[str, Any]] = self.ask("GET", "/admin/realms?briefRepresentation=false").json()
        return found

    def ask(self, method: str, path: str, body: Any = None, *, also: Sequence[int] = ()) -> httpx.Response:
        """An administrator's call; `also` are statuses beside success that are an answer. Raises KeycloakError."""
        headers = {"Authorization": f"Bearer {self._administrator().reveal()}"}
        answer = self._sent(method, path, json=body, headers=headers)
        if not answer.is_success and answer.status_code not in also:
            raise KeycloakError(f"Keycloak's {method} {path} was answered with {answer.status_code}: {told(answer)}")
        return answer

    def renew(self) -> None:
        """Ask for a new token: whoever creates a realm administers it, but only a token that is younger says so."""
        self._token = None

    def _administrator(self) -> Secret:
        if self._token is None or time.monotonic() > self._renewed_at:
            form = {name: value.reveal() if isinstance(value, Secret) else value for name, value in self._login.items()}
            answer = self._sent("POST", f"/realms/{self._realm}{CONNECT}/token", data=form)
            if answer.status_code != 200:
                raise KeycloakError(
                    f"Keycloak at {self.url} gives the client {form['client_id']} of realm {self._realm} no token: "
                    f"{answer.status_code}, {told(answer)}"
                )
            found = answer.json()
            self._token = Secret(found["access_token"])
            self._renewed_at = time.monotonic() + float(found["expires_in"]) - EARLY_S
        return self._token

    def _sent(self, method: str, path: str, **parts: Any) -> httpx.Response:
        try:
            return self.http.request(method, self.url + path, **parts)
        except httpx.HTTPError as error:
            raise KeycloakError(f"Keycloak at {self.url} does not answer: {type(error).__name__}: {error}") from error


def told(answer: httpx.Response) -> str:
    """What a refusal says of itself."""
    try:
        said = answer.json()
    except ValueError:
        return answer.text[:200] or "nothing more"
    words = (
        (said.get(name) for name in ("errorMessage", "error_description", "error")) if isinstance(said, dict) else ()
    )
    return next((str(word) for word in words if word), answer.text[:200])


class Realm:
    """One realm."""

    def __init__(self, keycloak: Keycloak, name: str) -> None:
        self.keycloak, self.name = keycloak, name
        self.url = f"{keycloak.url}/realms/{name}"
        self._admin = f"/admin/realms/{name}"

    # --- the realm ---------------------------------------------------------------------------------------------------------

    def make(self, **settings: Any) -> None:
        """Make the realm unless it is there; `settings` are members of Keycloak's realm representation."""
        body = {"realm": self.name, "enabled": True, **settings}
        self.keycloak.ask("POST", "/admin/realms", body, also=(409,))
        self.keycloak.renew()

    def change(self, **settings: Any) -> None:
        """Change members of the realm's representation; a realm with `enabled=False` gives nobody keys or tokens."""
        self.keycloak.ask("PUT", self._admin, settings)

    def remove(self) -> None:
        """Remove the realm and all in it."""
        self.keycloak.ask("DELETE", self._admin, also=(404,))

    # --- keys --------------------------------------------------------------------------------------------------------------

    def published(self) -> Sequence[Mapping[str, Any]]:
        """The public keys that sign tokens, found as a relying party finds them; those that encrypt are left out."""
        document = self._public("/.well-known/openid-configuration")
        try:
            keys = self.keycloak.http.get(document["jwks_uri"]).raise_for_status().json()["keys"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise KeycloakError(f"the keys of {self.url} cannot be read: {type(error).__name__}") from error
        return [key for key in keys if key.get("use") != "enc"]

    def new_key(self, algorithm: str, name: str, priority: int) -> str:
        """Publish a generated key beside the others; the key of an algorithm that has the highest priority signs. Its id."""
        config = {"priority": [str(priority)], "enabled": ["true"], "active": ["true"]}
        config |= {"algorithm": [algorithm]} if _GENERATED[algorithm] == "rsa-generated" else {}
        config |= {"ecdsaEllipticCurveKey": ["P-256"]} if algorithm == "ES256" else {}
        made = self._made("/components", {**_provider(_GENERATED[algorithm], name), "config": config})
        return next(str(key["kid"]) for key in self.every_key() if key["providerId"] == made)

    def every_key(self) -> Sequence[Mapping[str, Any]]:
        """Every key with its `kid`, `providerId`, `providerPriority`, `algorithm`, `use` and `status`."""
        found: Sequence[Mapping[str, Any]] = self._ask("GET", "/keys").json()["keys"]
        return found

    def prefer(self, kid: str, priority: int) -> None:
        """Give a key another priority."""
        path = f"/components/{self._provider_of(kid)}"
        known = self._ask("GET", path).json()
        self._ask("PUT", path, {**known, "config": {**known["config"], "priority": [str(priority)]}})

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer. Raises KeycloakError when there is none of that id."""
        self._ask("DELETE", f"/components/{self._provider_of(kid)}")

    def providers(self) -> Sequence[Mapping[str, Any]]:
        """What generates keys, with `id` and `name`."""
        found: Sequence[Mapping[str, Any]] = self._ask("GET", "/components?type=org.keycloak.keys.KeyProvider").json()
        return found

    def forget_provider(self, identifier: str) -> None:
        """Publish no longer what one of `providers` generated."""
        self._ask("DELETE", f"/components/{identifier}", also=(404,))

    def _provider_of(self, kid: str) -> str:
        found = next((str(key["providerId"]) for key in self.every_key() if key.get("kid") == kid), None)
        if found is None:
            raise KeycloakError(f"the realm {self.name} has no key {kid!r}")
        return found

    # --- clients -----------------------------------------------------------------------------------------------------------

    def put_client(self, client_id: str, **settings: Any) -> str:
        """A client of OpenID Connect, in the place of one of that name, public unless it has a secret; its own id.

        `settings` are members of Keycloak's client representation.
        """
        known = self.client(client_id)
        if known is not None:
            self.forget_client(str(known["id"]))
        body = {
            "clientId": client_id,
            "protocol": "openid-connect",
            "enabled": True,
            "publicClient": "secret" not in settings,
        }
        return self._made("/clients", body | {"standardFlowEnabled": False} | settings)

    def client(self, client_id: str) -> Mapping[str, Any] | None:
        """What is known of a client; None where there is none of that name."""
        found: list[Mapping[str, Any]] = self._ask("GET", "/clients", params={"clientId": client_id}).json()
        return found[0] if found else None

    def clients(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """Clients whose name begins so."""
        found = self._ask("GET", "/clients", params={"clientId": prefix, "search": "true"}).json()
        return [client for client in found if str(client["clientId"]).startswith(prefix)]

    def forget_client(self, identifier: str) -> None:
        """Remove a client by its own id."""
        self._ask("DELETE", f"/clients/{identifier}", also=(404,))

    # --- people ------------------------------------------------------------------------------------------------------------

    def put_user(self, name: str, password: Secret, groups: Sequence[str] = (), *, mark: str = MADE) -> str:
        """Somebody who can log in, in these groups and no others, in the place of somebody of that name. Their id.

        Name and address are there because Keycloak lets nobody log in whose profile lacks them; `mark` begins the address.
        """
        for known in self._ask("GET", "/users", params={"username": name, "exact": "true"}).json():
            self.forget_user(known["id"])
        for group in groups:
            self.put_group(group, mark=mark)
        person = {"username": name, "enabled": True, "firstName": name, "lastName": name, "emailVerified": True}
        password_of = {"type": "password", "value": password.reveal(), "temporary": False}
        member = {"groups": [f"/{group}" for group in groups], "credentials": [password_of]}
        return self._made("/users", {**person, "email": f"{mark}{secrets.token_hex(6)}@example.com", **member})

    def put_group(self, name: str, *, mark: str = MADE) -> str | None:
        """A group of that name at the top, with this mark; its id where it was not there before, else None."""
        answer = self._ask("POST", "/groups", {"name": name, "attributes": {MADE_AS: [mark]}}, also=(409,))
        return None if answer.status_code == 409 else answer.headers["Location"].rpartition("/")[2]

    def forget_user(self, identifier: str) -> None:
        """Remove somebody by their id."""
        self._ask("DELETE", f"/users/{identifier}", also=(404,))

    def users(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """People whose name begins so."""
        return self._listed("/users", "username", prefix, username=prefix)

    def users_by_address(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """People whose address begins so."""
        return self._listed("/users", "email", prefix, email=prefix)

    def groups(self, prefix: str) -> Sequence[Mapping[str, Any]]:
        """Groups at the top whose name begins so."""
        return self._listed("/groups", "name", prefix, search=prefix)

    def groups_made(self) -> Sequence[Mapping[str, Any]]:
        """Groups at the top that `put_group` made, with their `attributes`."""
        found = self._listed("/groups", "name", "", briefRepresentation="false")
        return [group for group in found if MADE_AS in (group.get("attributes") or {})]

    def forget_group(self, identifier: str) -> None:
        """Remove a group by its id."""
        self._ask("DELETE", f"/groups/{identifier}", also=(404,))

    # --- tokens ------------------------------------------------------------------------------------------------------------

    def login(self, form: Mapping[str, str]) -> Secret:
        """The access token of a grant. Raises KeycloakError where it is refused."""
        answer = self.keycloak.http.post(f"{self.url}{CONNECT}/token", data=dict(form))
        if answer.status_code != 200:
            asked = f"a token by {form.get('grant_type')} for the client {form.get('client_id')} of realm {self.name}"
            raise KeycloakError(f"Keycloak refused {asked}: {answer.status_code}, {told(answer)}")
        return Secret(answer.json()["access_token"])

    def signed(
        self, claims: Mapping[str, Any], *, expires_in: float = 300, algorithm: str | None = None, mark: str = MADE
    ) -> Secret:
        """A token that says these claims beside `iss`, `iat`, `exp` and `jti`; one of None is left out.

        Keycloak signs nothing for the past, so a negative `expires_in` is awaited. It has `azp` and `exp` in every token: without a
        claim `azp` that is a client of no use to anybody. `mark` begins the name of the client that stands for a moment.
        """
        name, secret = f"{mark}{secrets.token_hex(8)}", Secret(secrets.token_urlsafe(24))
        attributes = {"access.token.lifespan": str(max(int(expires_in), 1))}
        attributes |= {"access.token.signed.response.alg": algorithm} if algorithm else {}
        identifier = self.put_client(
            name,
            secret=secret.reveal(),
            serviceAccountsEnabled=True,
            attributes=attributes,
            defaultClientScopes=[],
            optionalClientScopes=[],
            fullScopeAllowed=False,
            protocolMappers=list(claim_mappers(claims)),
        )
        try:
            form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret.reveal()}
            token = self.login(form)
        finally:
            self.forget_client(identifier)
        if expires_in < 0:
            time.sleep(1 - expires_in)
        return token

    # -----------------------------------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: Any = None, **parts: Any) -> httpx.Response:
        query = f"?{httpx.QueryParams(parts.pop('params'))}" if "params" in parts else ""
        return self.keycloak.ask(method, self._admin + path + query, body, **parts)

    def _listed(self, path: str, member: str, prefix: str, **asked: str) -> Sequence[Mapping[str, Any]]:
        """Those of a list whose `member` begins so: Keycloak's own search finds the text anywhere in it."""
        found = self._ask("GET", path, params={**asked, "max": MOST}).json()
        return [entry for entry in found if str(entry.get(member, "")).startswith(prefix)]

    def _made(self, path: str, body: Any) -> str:
        """Create something; its id, which Keycloak tells by the address alone."""
        return self._ask("POST", path, body).headers["Location"].rpartition("/")[2]

    def _public(self, path: str) -> Any:
        try:
            return self.keycloak.http.get(self.url + path).raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise KeycloakError(f"{self.url}{path} cannot be read: {type(error).__name__}: {error}") from error


def _provider(kind: str, name: str) -> dict[str, Any]:
    return {"name": name, "providerId": kind, "providerType": "org.keycloak.keys.KeyProvider"}
