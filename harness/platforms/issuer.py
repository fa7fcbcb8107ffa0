"""An issuer of somebody's own that the default tenant trusts: a Keycloak, and what the harness is allowed to do there.

Checks make up users and tokens. A Keycloak lets them log in and signs what its mappers say, if it may be administered; so what is asked of
whoever brings one is a client with a service account that may create realms and administers the tenant's.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from joserfc.util import urlsafe_b64decode
from orjson import loads

from harness.client.keycloak import Keycloak, KeycloakError
from harness.client.secret import Secret
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.keycloak import CLIENT, TrustedKeycloak
from harness.platforms.keycloak_remains import sweep
from harness.platforms.target import Progress
from harness.platforms.termination import uninterrupted

ISSUER_SETTINGS: Final[Mapping[str, str]] = {
    "oidc-issuer": "URL of an issuer that the default tenant trusts: https://HOST/realms/NAME",
    "oidc-client": f"the client that the default tenant trusts there; default {CLIENT}",
    "oidc-client-secret-file": "file with that client's secret; default: it is a public one",
    "oidc-ca": "CA of the issuer's certificate; default: the system's",
    "keycloak-admin-client": "the issuer is a Keycloak: a client there with a service account that may create realms",
    "keycloak-admin-secret-file": "file with that client's secret",
    "keycloak-admin-realm": "the realm of that client; default master",
}
"""What names an issuer; the first may also name one that signs on demand."""
NO_REAL_ONE: Final = (
    "a real issuer signs no token without an expiry or a client, none in another's name, and goes on at our wish"
)
"""Why a Keycloak does not meet the need `any-token`."""


def keycloak_in(settings: Mapping[str, str], run_id: str | None = None) -> TrustedKeycloak | None:
    """The Keycloak that settings name; None where they name none. Raises UsageFault for half of one.

    What is made there is this run's, or that of one whose id nobody else has.
    """
    client, file, issuer = (
        settings.get(key) for key in ("keycloak-admin-client", "keycloak-admin-secret-file", "oidc-issuer")
    )
    if client is None and file is None:
        return None
    if client is None or file is None or issuer is None:
        raise UsageFault(
            "a Keycloak is named by oidc-issuer, keycloak-admin-client and keycloak-admin-secret-file together; one of them is missing"
        )
    base, middle, realm = issuer.rstrip("/").rpartition("/realms/")
    if not middle or not realm or "/" in realm or not base.startswith("https://"):
        raise UsageFault(f"the setting oidc-issuer is https://HOST/realms/NAME where it is a Keycloak, came {issuer!r}")
    return TrustedKeycloak(
        url=base,
        realm=realm,
        client=settings.get("oidc-client", CLIENT),
        client_secret=_secret(settings, "oidc-client-secret-file"),
        ca_file=_file(settings, "oidc-ca"),
        admin_client=client,
        admin_secret=_secret(settings, "keycloak-admin-secret-file") or Secret(""),
        admin_realm=settings.get("keycloak-admin-realm", "master"),
        run_id=run_id or secrets.token_hex(6),
    )


def keycloak_instead(settings: Mapping[str, str], run_id: str | None = None) -> TrustedKeycloak | None:
    """The Keycloak that the default tenant is to trust in the place of the reference platform's own issuer. Raises UsageFault."""
    found = keycloak_in(settings, run_id)
    named = next((key for key in ISSUER_SETTINGS if key in settings), None)
    if found is None and named is not None:
        raise UsageFault(
            f"the setting {named} is of a Keycloak here, and keycloak-admin-client and keycloak-admin-secret-file are missing; without "
            "one the platform has an issuer of its own"
        )
    return found


def _file(settings: Mapping[str, str], key: str) -> Path | None:
    if key not in settings:
        return None
    path = Path(settings[key]).absolute()
    if not path.is_file():
        raise UsageFault(f"the setting {key} names {path}, which is no file")
    return path


def _secret(settings: Mapping[str, str], key: str) -> Secret | None:
    path = _file(settings, key)
    if path is None:
        return None
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise UsageFault(f"the setting {key} names {path}, which is empty")
    return Secret(text)


@contextmanager
def tried(found: TrustedKeycloak | None, progress: Progress) -> Iterator[None]:
    """See that users can be made and log in there as checks do; afterwards remove whatever the run made. Nothing without a Keycloak.

    Raises EnvironmentFault, in one sentence, for a Keycloak that does not answer, forbids it, or whose tokens a platform cannot use.
    """
    if found is None:
        yield
        return
    try:
        with found.connected() as keycloak:
            _try_login(found, keycloak)
            _require_realms(found, keycloak)
    except (KeycloakError, OSError) as error:
        raise EnvironmentFault(str(error)) from error
    progress(f"{found.issuer} lets users log in through the client {found.client}")
    try:
        yield
    finally:
        with uninterrupted():
            progress(_tidied(found))


def _tidied(found: TrustedKeycloak) -> str:
    """Remove what the run made, and say so. A Keycloak that went away meanwhile is no reason to lose a verdict."""
    try:
        with found.connected() as keycloak:
            removed = sweep(keycloak, found.realm, run_id=found.run_id)
    except (KeycloakError, OSError) as error:
        return f"{error}; remove what this run made there with `maas-conformance clean --run {found.run_id}` and the settings of the run"
    return f"removed {len(removed)} objects that the run had made at {found.url}"


def _try_login(found: TrustedKeycloak, keycloak: Keycloak) -> None:
    """Somebody logs in, and the token says who it is, in which group, through which client."""
    realm, name, password = keycloak.realm(found.realm), found.named("trial"), Secret(secrets.token_urlsafe(24))
    group = f"{name}:group"
    made = realm.put_group(group, mark=name)
    user = realm.put_user(name, password, [group], mark=name)
    try:
        claims = said(realm.login(found.form_of(name, password)))
    finally:
        realm.forget_user(user)
        if made:
            realm.forget_group(made)
    expected = {"preferred_username": name, "groups": [group], "azp": found.client}
    for claim, value in expected.items():
        if claims.get(claim) != value:
            raise EnvironmentFault(
                f"a token of {found.issuer} for a user in one group says {claim} {claims.get(claim)!r}, expected {value!r}: give the "
                f"client {found.client} a Group Membership mapper (claim `groups`, full path off) and the scope `profile` (docs/oidc.md)"
            )


def _require_realms(found: TrustedKeycloak, keycloak: Keycloak) -> None:
    """Whoever administers for us may create realms: checks need issuers that nobody trusts."""
    trial = keycloak.realm(found.named("trial"))
    try:
        trial.make()
    except KeycloakError as error:
        raise EnvironmentFault(
            f"{error}; give the service account of {found.admin_client} the role create-realm of the realm master"
        ) from error
    trial.remove()


def said(token: Secret) -> Mapping[str, Any]:
    """The claims of a token that is fresh from its issuer, unverified: they are looked at, never trusted."""
    claims: Mapping[str, Any] = loads(urlsafe_b64decode(token.reveal().split(".")[1].encode()))
    return claims
