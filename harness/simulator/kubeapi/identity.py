"""Who is asking: ServiceAccount tokens (signed JWT), the admin's token, impersonation."""

import hashlib
import hmac
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from harness.simulator.kubeapi.jwt import decode_part, encode_part, pack, unpack
from harness.simulator.kubeapi.store import Store

ISSUER = "https://kubernetes.default.svc"
DEFAULT_AUDIENCE = ISSUER
MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller, as TokenReview and admission reviews describe one."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def info(self) -> dict[str, Any]:
        """`UserInfo` as JSON."""
        info: dict[str, Any] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            info["uid"] = self.uid
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key to sign tokens with."""
    return ec.generate_private_key(ec.SECP256R1())


class TokenError(Exception):
    """A token that this server does not accept, with the reason."""


@dataclass(slots=True)
class Identities:
    """Issues and verifies tokens. ES256 verification costs about 0.1 ms, so verified tokens are remembered by their digest."""

    store: Store
    key: ec.EllipticCurvePrivateKey
    admin_token: str
    _verified: dict[bytes, dict[str, Any]] = field(default_factory=dict)

    def issue(
        self, namespace: str, name: str, uid: str, audiences: list[str], seconds: int, bound: Mapping[str, Any]
    ) -> tuple[str, int]:
        """A signed token for a ServiceAccount; returns it with its expiry (Unix seconds)."""
        issued = int(time.time())
        claims: dict[str, Any] = {
            "aud": audiences,
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}, **bound},
            "nbf": issued,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        signed = pack({"alg": "ES256", "kid": "embedded", "typ": "JWT"}, claims)
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{encode_part(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}", issued + seconds

    def verify(self, token: str, audiences: list[str]) -> tuple[User, list[str]]:
        """The user behind a token and the audiences that it shares with the asked ones. Raises TokenError."""
        if hmac.compare_digest(token.encode(), self.admin_token.encode()):
            return ADMIN, audiences
        claims = self._claims(token)
        if not claims["nbf"] - 10 <= time.time() < claims["exp"]:
            raise TokenError("[invalid bearer token, service account token has expired]")
        shared = [each for each in claims["aud"] if each in audiences]
        if not shared:
            raise TokenError(
                f"[invalid bearer token, token audiences {claims['aud']} is invalid for the target audiences {audiences}]"
            )
        return self._account(claims), shared

    def _claims(self, token: str) -> dict[str, Any]:
        digest = hashlib.sha256(token.encode()).digest()
        found = self._verified.get(digest)
        if found is not None:
            return found
        try:
            header, claims, signed, signature = unpack(token)
            raw = decode_part(signature)
            if header.get("alg") != "ES256" or len(raw) != 64:
                raise TokenError("[invalid bearer token]")
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self.key.public_key().verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        except (ValueError, InvalidSignature) as error:
            raise TokenError("[invalid bearer token]") from error
        if len(self._verified) > 4096:
            self._verified.clear()
        self._verified[digest] = claims
        return claims

    def _account(self, claims: dict[str, Any]) -> User:
        kube = claims["kubernetes.io"]
        namespace, name, uid = kube["namespace"], kube["serviceaccount"]["name"], kube["serviceaccount"]["uid"]
        entry = self.store.get(("", "serviceaccounts"), namespace, name)
        if entry is None or entry.uid != uid:
            raise TokenError("[invalid bearer token, service account token has been invalidated]")
        for kind, bucket in (("pod", "pods"), ("secret", "secrets")):
            reference = kube.get(kind)
            if reference:
                bound = self.store.get(("", bucket), namespace, reference["name"])
                if bound is None or bound.uid != reference["uid"]:
                    raise TokenError("[invalid bearer token, service account token has been invalidated]")
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        if kube.get("pod"):
            extra["authentication.kubernetes.io/pod-name"] = (kube["pod"]["name"],)
            extra["authentication.kubernetes.io/pod-uid"] = (kube["pod"]["uid"],)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
        return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)


def impersonated(user: User, name: str, groups: list[str], uid: str, extra: Mapping[str, list[str]]) -> User:
    """The user that a caller speaks as; a ServiceAccount gets its groups by itself."""
    given = list(groups)
    if not given and name.startswith("system:serviceaccount:") and name.count(":") == 3:
        given = ["system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}"]
    if AUTHENTICATED not in given and name != "system:anonymous":
        given.append(AUTHENTICATED)
    return replace(user, name=name, groups=tuple(given), uid=uid, extra={k: tuple(v) for k, v in extra.items()})
