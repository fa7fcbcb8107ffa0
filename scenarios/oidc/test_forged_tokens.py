"""Tokens that look like the issuer's and are not: attacks on JWTs that have worked somewhere, each refused with 401."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from harness.client.secret import Secret
from harness.engine.declaration import check
from harness.world.expectations import challenge
from harness.world.oidc import Forged, Issuer, OidcToken, OidcUser
from harness.world.sandwich import Sandwich
from harness.world.world import World

LATER = 4_000_000_000
"""An expiry that no clock comes near."""


def encoded(part: Mapping[str, Any]) -> str:
    """A part of a JWT."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def body_of(issuer: Issuer, user: OidcUser) -> dict[str, Any]:
    """What a good token of the user says."""
    return {**user.claims(), "iss": issuer.url, "azp": "maas", "aud": "account", "exp": LATER}


def unsigned(issuer: Issuer, user: OidcUser, algorithm: str) -> Secret:
    """A token whose header says that nobody signed it."""
    return Secret(f"{encoded({'alg': algorithm, 'typ': 'JWT'})}.{encoded(body_of(issuer, user))}.")


def tampered(issuer: Issuer, user: OidcUser) -> Secret:
    """A token of somebody else, its body exchanged after it was signed."""
    head, _, signature = issuer.sign({"sub": "nobody", "preferred_username": "nobody"}).reveal().split(".")
    return Secret(f"{head}.{encoded(body_of(issuer, user))}.{signature}")


def by_public_key(issuer: Issuer, user: OidcUser) -> Secret:
    """A token signed with HMAC, the secret being the public key that everybody can read."""
    public = issuer.published()[0]
    secret = (ECKey if public["kty"] == "EC" else RSAKey).import_key(dict(public)).as_pem(private=False)
    signed = f"{encoded({'alg': 'HS256', 'kid': public['kid']})}.{encoded(body_of(issuer, user))}"
    mac = hmac.new(secret, signed.encode(), "sha256").digest()  # the library knows this attack, and refuses to sign it
    return Secret(f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}")


def by_own_key(issuer: Issuer, user: OidcUser, header: Mapping[str, Any]) -> Secret:
    """A token signed with a key of the forger's own, under the name of the issuer's."""
    public = issuer.published()[0]
    own = ECKey.generate_key("P-256", {"kid": public["kid"]})
    brought = {"jwk": own.as_dict(private=False)} if "jwk" in header else {}
    signed = {"alg": "ES256", "kid": public["kid"], **header, **brought}
    return Secret(jwt.encode(signed, body_of(issuer, user), own, algorithms=["ES256"]))


FORGERIES: dict[str, Callable[[Issuer, OidcUser], Secret]] = {
    "nobody signed it": lambda issuer, user: unsigned(issuer, user, "none"),
    "nobody signed it, in capitals": lambda issuer, user: unsigned(issuer, user, "None"),
    "its body was exchanged": tampered,
    "signed with the public key as a secret": by_public_key,
    "signed with another key of that name": lambda issuer, user: by_own_key(issuer, user, {}),
    "it brings its key along": lambda issuer, user: by_own_key(issuer, user, {"jwk": None}),
    "it says where its key is": lambda issuer, user: by_own_key(issuer, user, {"jku": f"{issuer.url}/elsewhere"}),
}


@pytest.mark.parametrize("how", FORGERIES)
@check("MAAS-AUTH-011", needs={"kube", "oidc"})
def test_a_forged_token_is_unauthorized(world: World, sandwich: Sandwich, how: str) -> None:
    user = world.oidc_user()
    sandwich(
        control=world.person(user).models,
        denied=world.caller(Forged(lambda: FORGERIES[how](world.issuer, user))).models,
        status=401,
        shape=challenge,
        when=how,
    )


@pytest.mark.parametrize("when", ["it has expired", "it is not valid yet"])
@check("MAAS-AUTH-011", needs={"kube", "oidc"})
def test_a_token_counts_in_its_time_alone(world: World, sandwich: Sandwich, when: str) -> None:
    user = world.oidc_user()
    expired = when == "it has expired"
    early = OidcToken(world, world.issuer, user, {"nbf": LATER})
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, expires_in=-1) if expired else early).models,
        status=401,
        shape=challenge,
        when=when,
    )


@check("MAAS-AUTH-011", needs={"kube", "oidc", "any-token"})
def test_a_token_that_never_expires_is_unauthorized(world: World, sandwich: Sandwich) -> None:
    user = world.oidc_user()
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, world.issuer, user, {"exp": None})).models,
        status=401,
        shape=challenge,
        when="it says of no time that it ends then",
    )


@check("MAAS-AUTH-011", needs={"kube", "oidc"})
def test_a_token_of_an_issuer_that_no_tenant_trusts_is_unauthorized(world: World, sandwich: Sandwich) -> None:
    user = world.oidc_user()
    stranger = world.realm("strangers")
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, stranger, user, awaited=False)).models,
        status=401,
        shape=challenge,
        when="another issuer signed it",
    )


@check("MAAS-AUTH-011", needs={"kube", "oidc", "any-token"})
def test_a_token_of_another_issuer_under_the_trusted_ones_name_is_unauthorized(
    world: World, sandwich: Sandwich
) -> None:
    user = world.oidc_user()
    stranger = world.realm("impostors")
    claims = {"iss": world.issuer.url}
    sandwich(
        control=world.person(user).models,
        denied=world.caller(OidcToken(world, stranger, user, claims)).models,
        status=401,
        shape=challenge,
        when="another issuer signed it in the trusted one's name",
    )
