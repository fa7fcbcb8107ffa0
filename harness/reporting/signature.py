"""Signing a report: an in-toto statement over the files of the folder, in a DSSE envelope.

DSSE signs the bytes that it carries, so nobody has to agree about canonical JSON; an in-toto statement names any number of files by digest;
and both are what the usual signing tools (cosign, in-toto) read, so that a key held elsewhere can sign the same statement. Ed25519 needs no
parameters and works offline, which keyless signing does not.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.outcome import EnvironmentFault
from harness.reporting.certificate import EVIDENCE, NAME
from harness.reporting.conformance import ConformanceReport
from harness.reporting.signing_key import PublicKey

SIGNATURES: Final = "report.intoto.jsonl"
"""One envelope a line: a vendor signs, and a reviewer may sign too."""
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://maas-conformance.dev/attestation/report/v1"


class _Edge(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Signature(_Edge):
    """One signature of an envelope; `keyid` is a hint and proves nothing."""

    keyid: str
    sig: str


class Envelope(_Edge):
    """DSSE v1."""

    payload: str
    payload_type: Literal["application/vnd.in-toto+json"] = Field(alias="payloadType")
    signatures: tuple[Signature, ...] = Field(min_length=1)


class Subject(_Edge):
    """A file of the folder, by its path in it."""

    name: str
    digest: dict[str, str]


class Predicate(_Edge):
    """What the signer says of the files; the files themselves say it too, and `verify` believes the files."""

    statement: str
    conformant: bool
    run: str
    product: str
    valid_until: str = Field(alias="validUntil")
    signed_at: str = Field(alias="signedAt")
    signer: str


class Statement(_Edge):
    """in-toto v1."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1)
    predicate_type: Literal["https://maas-conformance.dev/attestation/report/v1"] = Field(alias="predicateType")
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Signed:
    """An envelope of the folder that can be read: who claims to have signed, and which files are not as they were signed."""

    predicate: Predicate
    keyids: tuple[str, ...]
    by: tuple[PublicKey, ...]
    """Trusted keys that did sign it."""
    differing: tuple[str, ...]

    @property
    def signer(self) -> str:
        """The name that the signer gave; a key vouches for it, or nobody does."""
        return self.predicate.signer


def sign(folder: Path, report: ConformanceReport, key: Ed25519PrivateKey, signer: str) -> Path:
    """Add a signature over all files of the folder that a reviewer reads. Raises EnvironmentFault when it cannot be written."""
    public = PublicKey("", key.public_key())
    statement = Statement(
        type=STATEMENT,
        subject=tuple(Subject(name=name, digest={"sha256": _sha256(folder / name)}) for name in signed_files(folder)),
        predicate_type=PREDICATE,
        predicate=predicate_of(report, signer, datetime.now(UTC)),
    )
    payload = orjson.dumps(statement.model_dump(mode="json", by_alias=True))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": public.fingerprint, "sig": base64.b64encode(key.sign(pre_authentication(payload))).decode()}
        ],
    }
    path = folder / SIGNATURES
    try:
        with path.open("ab") as file:
            file.write(orjson.dumps(envelope) + b"\n")
    except OSError as error:
        raise EnvironmentFault(f"cannot write the signature {path}: {error.strerror}") from error
    return path


def predicate_of(report: ConformanceReport, signer: str, at: datetime) -> Predicate:
    """What a signature says of this report."""
    return Predicate(
        statement=report.statement,
        conformant=report.result.conformant,
        run=report.run.id,
        product=" ".join(filter(None, (report.implementation.project, report.implementation.version))),
        valid_until=report.valid_until.isoformat(),
        signed_at=at.isoformat(timespec="seconds"),
        signer=signer,
    )


def signed_files(folder: Path) -> list[str]:
    """The report, all evidence, and the folders of failures: what other files lie there is not part of the report."""
    found = [folder / name for name in (NAME, *EVIDENCE)]
    files = [file for path in found for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sorted(file.relative_to(folder).as_posix() for file in files)


def pre_authentication(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed, so that a payload of one type never passes for another."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def read_signatures(folder: Path, trusted: Sequence[PublicKey]) -> list[Signed | str]:
    """Every envelope of the folder; a text where one cannot be read. Empty: the report is not signed."""
    path = folder / SIGNATURES
    if not path.is_file():
        return []
    return [_read(folder, line, trusted) for line in path.read_bytes().splitlines() if line.strip()]


def _read(folder: Path, line: bytes, trusted: Sequence[PublicKey]) -> Signed | str:
    try:
        envelope = Envelope.model_validate_json(line)
        payload = base64.b64decode(envelope.payload, validate=True)
        statement = Statement.model_validate_json(payload)
        signatures = [base64.b64decode(entry.sig, validate=True) for entry in envelope.signatures]
    except (ValidationError, binascii.Error) as error:
        return f"an envelope that is no signature of a report: {' '.join(str(error).split())[:120]}"
    message = pre_authentication(payload)
    return Signed(
        predicate=statement.predicate,
        keyids=tuple(entry.keyid for entry in envelope.signatures),
        by=tuple(key for key in trusted if any(key.made(signature, message) for signature in signatures)),
        differing=tuple(_differing(folder, statement.subject)),
    )


def _differing(folder: Path, subjects: Iterable[Subject]) -> Iterable[str]:
    claimed = {subject.name: subject.digest.get("sha256") for subject in subjects}
    present = signed_files(folder)
    for name in sorted({*claimed, *present}):
        if name not in present or claimed.get(name) != _sha256(folder / name):
            yield name


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_document(found: Sequence[Signed | str]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {"unreadable": entry}
        if isinstance(entry, str)
        else {
            "signer": entry.signer,
            "keyids": list(entry.keyids),
            "trustedAs": [key.name for key in entry.by],
            "differing": list(entry.differing),
        }
        for entry in found
    ]
