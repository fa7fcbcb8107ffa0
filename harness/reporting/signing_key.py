"""Ed25519 keys of those who sign reports, as PEM or as OpenSSH writes them."""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)

from harness.client.secret import Secret
from harness.outcome import EnvironmentFault, UsageFault

OPEN_TO_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Who may have signed; `name` is what the verifier calls them."""

    name: str
    key: Ed25519PublicKey

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and the digest of the raw key in base64, as OpenSSH shows digests."""
        raw = self.key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")

    def made(self, signature: bytes, message: bytes) -> bool:
        """Whether this key signed exactly these bytes."""
        try:
            self.key.verify(signature, message)
        except InvalidSignature:
            return False
        return True


def make_keys(private: Path, passphrase: Secret | None) -> tuple[Path, PublicKey]:
    """Write a new private key (mode 0600) and beside it the public one, `.pub`.

    Raises UsageFault when one of them exists already: a replaced key is lost. EnvironmentFault when they cannot be written.
    """
    public = private.with_name(private.name + ".pub")
    for path in (private, public):
        if path.exists():
            raise UsageFault(f"{path} exists already: name another file, or remove it yourself")
    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase.reveal().encode()) if passphrase else NoEncryption()
    try:
        handle = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    except OSError as error:
        raise EnvironmentFault(f"cannot write the key {error.filename}: {error.strerror}") from error
    return public, PublicKey(public.name, key.public_key())


def read_private(path: Path, passphrase: Secret | None) -> Ed25519PrivateKey:
    """Read a private key. Raises UsageFault when it is none, of another kind, open to others, or locked by another passphrase."""
    content = _read(path)
    if path.stat().st_mode & OPEN_TO_OTHERS:
        raise UsageFault(f"others can read the private key {path}: chmod 600 {path}")
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in content else load_pem_private_key
    secret = passphrase.reveal().encode() if passphrase else None
    try:
        key = load(content, password=secret)
    except TypeError as error:
        expected = "is locked: give its passphrase" if secret is None else "is not locked: give no passphrase"
        raise UsageFault(f"the private key {path} {expected} (MAAS_SIGNING_PASSPHRASE)") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageFault(
            f"{path} is no private key that can be read, or the passphrase is wrong: expected Ed25519 as PEM or OpenSSH"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageFault(f"{path} holds a key of another kind ({type(key).__name__}): expected Ed25519")
    return key


def read_public(path: Path) -> PublicKey:
    """Read a public key. Raises UsageFault when it is none, or of another kind."""
    content = _read(path)
    load = load_ssh_public_key if content.startswith(b"ssh-") else load_pem_public_key
    try:
        key = load(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageFault(f"{path} is no public key: expected Ed25519 as PEM or as OpenSSH writes it") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageFault(f"{path} holds a key of another kind ({type(key).__name__}): expected Ed25519")
    return PublicKey(path.name, key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageFault(f"cannot read the key {path}: {error.strerror}") from error
