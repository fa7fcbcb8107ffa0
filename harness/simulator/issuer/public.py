"""What everybody sees of a realm, at Keycloak's paths: discovery, keys, and tokens for people and programs that log in."""

import base64
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator.issuer.realm import LIFETIME_S, Realm, Realms

CONNECT = "/protocol/openid-connect"
LARGEST_FORM = 16 * 1024
GRANTS = ("password", "client_credentials")


class GrantError(Exception):
    """A token request that is refused: RFC 6749's code, and a sentence."""

    def __init__(self, code: str, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.status = code, sentence, status


def discovery(realm: Realm) -> dict[str, Any]:
    """The discovery document (OpenID Connect Discovery 1.0)."""
    return {
        "issuer": realm.url,
        "jwks_uri": f"{realm.url}{CONNECT}/certs",
        "token_endpoint": f"{realm.url}{CONNECT}/token",
        "authorization_endpoint": f"{realm.url}{CONNECT}/auth",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "grant_types_supported": list(GRANTS),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nbf", "azp", "preferred_username", "groups"],
    }


def granted(realm: Realm, form: Mapping[str, str], authorization: str = "") -> dict[str, Any]:
    """A token for a login; `authorization` is the header, empty where there is none. Raises GrantError.

    Mistakes are looked for in Keycloak's order and have Keycloak's codes, a wrong secret's among them: RFC 6749 would say invalid_client.
    """
    match form.get("grant_type"):
        case None:
            raise GrantError("invalid_request", "the form has no grant_type")
        case "password":
            client, _ = authenticated(realm, form, authorization)
            claims = realm.claims_of(*person(realm, form), client)
        case "client_credentials":
            client, secret = authenticated(realm, form, authorization)
            if not secret:
                sentence = f"client {client} has no secret, so it cannot be an account of its own"
                raise GrantError("unauthorized_client", sentence, 401)
            claims = realm.claims_of(f"service-account-{client}", None, client)
        case other:
            raise GrantError("unsupported_grant_type", f"expected grant_type {' or '.join(GRANTS)}, got {other!r}")
    return {
        "access_token": realm.sign(claims),
        "expires_in": LIFETIME_S,
        "token_type": "Bearer",
        "scope": "profile email",
    }


def authenticated(realm: Realm, form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """The client that asks, and its secret, empty for a public one. Raises GrantError."""
    client, given = in_header(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
    secret = realm.clients.get(client)
    if secret is None:
        raise GrantError("invalid_client", "the client is unknown", 401)
    if not hmac.compare_digest(secret.encode(), given.encode()):
        raise GrantError("unauthorized_client", "client_secret is not the client's secret", 401)
    return client, secret


def in_header(authorization: str) -> tuple[str, str] | None:
    """Client and secret of a Basic header, each urlencoded as RFC 6749 has it; None for a header of another kind. Raises GrantError."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError as error:
        raise GrantError("invalid_client", "the header Authorization is not client:secret in base64", 401) from error
    return unquote_plus(client), unquote_plus(secret)


def person(realm: Realm, form: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Name and groups of whoever logs in. Raises GrantError."""
    name = form.get("username")
    if name is None:
        raise GrantError("invalid_request", "the form has no username", 401)
    user = realm.users.get(name)
    if user is None or not hmac.compare_digest(user.password.encode(), form.get("password", "").encode()):
        raise GrantError("invalid_grant", "no user of that name and password", 401)
    return name, user.groups


def public(realms: Realms) -> Starlette:
    """The application behind HTTPS. A realm that is made unavailable answers 503, as an issuer that is down behind its proxy."""

    def found(request: Request) -> Realm | Response:
        realm = realms.get(request.path_params["realm"])
        if realm is None:
            return JSONResponse({"error": "Realm does not exist"}, status_code=404)
        if not realm.available:
            return JSONResponse({"error": "temporarily_unavailable"}, status_code=503)
        return realm

    async def configuration(request: Request) -> Response:
        realm = found(request)
        return realm if isinstance(realm, Response) else JSONResponse(discovery(realm))

    async def certificates(request: Request) -> Response:
        realm = found(request)
        if isinstance(realm, Response):
            return realm
        realm.fetched += 1
        return JSONResponse(realm.published(), headers={"Cache-Control": "no-cache"})

    async def token(request: Request) -> Response:
        realm = found(request)
        if isinstance(realm, Response):
            return realm
        try:
            answer = granted(realm, await form_of(request), request.headers.get("Authorization", ""))
        except GrantError as error:
            body = {"error": error.code, "error_description": error.sentence}
            return JSONResponse(body, status_code=error.status, headers={"Cache-Control": "no-store"})
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    below = "/realms/{realm}"
    return Starlette(
        routes=[
            Route(f"{below}/.well-known/openid-configuration", configuration),
            Route(f"{below}{CONNECT}/certs", certificates),
            Route(f"{below}{CONNECT}/token", token, methods=["POST"]),
        ]
    )


async def form_of(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form. Raises GrantError where it is too long or no text."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            raise GrantError("invalid_request", f"expected a form of at most {LARGEST_FORM} bytes", 413)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError as error:
        raise GrantError("invalid_request", "expected an urlencoded form in UTF-8") from error
