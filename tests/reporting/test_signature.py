"""A signature says who answers for a report, and holds for these very files alone."""

import base64
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from harness.client.secret import Secret
from harness.outcome import UsageFault
from harness.reporting.comparison import read_report
from harness.reporting.signature import (
    PAYLOAD_TYPE,
    SIGNATURES,
    pre_authentication,
    read_signatures,
    sign,
    signed_files,
)
from harness.reporting.signing_key import PublicKey, make_keys, read_private, read_public
from tests.reporting.submissions import Runs


class Vendor:
    """A key pair on disk."""

    def __init__(self, folder: Path, name: str) -> None:
        self.private = folder / name
        self.public, self.key = make_keys(self.private, None)

    def sign(self, folder: Path) -> None:
        sign(folder, read_report(folder), read_private(self.private, None), "Example")


@pytest.fixture
def vendor(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path, "vendor.key")


@pytest.fixture
def stranger(tmp_path: Path) -> Vendor:
    return Vendor(tmp_path, "stranger.key")


@pytest.fixture
def signed(good: Path, vendor: Vendor) -> Path:
    vendor.sign(good)
    return good


def test_a_signed_report_is_accepted_by_those_who_trust_the_key(runs: Runs, signed: Path, vendor: Vendor) -> None:
    trusted = (read_public(vendor.public),)
    assert runs.verify(signed, trusted=trusted) == []
    (found,) = read_signatures(signed, trusted)
    assert not isinstance(found, str)
    assert (found.signer, found.keyids, found.differing) == ("Example", (vendor.key.fingerprint,), ())
    assert [key.name for key in found.by] == ["vendor.key.pub"]


def test_a_signature_that_nobody_asked_for_is_no_objection(runs: Runs, signed: Path) -> None:
    assert runs.verify(signed) == []


def test_it_covers_the_report_all_evidence_and_the_failures(runs: Runs) -> None:
    names = signed_files(runs.folder / "bad")
    assert {"report.yaml", "journal.ndjson", "summary.json", "junit.xml", "report.html"} <= set(names)
    assert any(name.startswith("allure-results/") for name in names)
    assert any(name.startswith("failures/") for name in names)
    assert SIGNATURES not in names


def test_two_may_sign(runs: Runs, signed: Path, stranger: Vendor, vendor: Vendor) -> None:
    stranger.sign(signed)
    for who in (vendor, stranger):
        assert runs.verify(signed, trusted=(who.key,)) == []


def _statement(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / SIGNATURES
    envelope = json.loads(path.read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    envelope["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    path.write_text(json.dumps(envelope) + "\n", encoding="utf-8")


def _envelope(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = folder / SIGNATURES
    envelope = json.loads(path.read_bytes())
    change(envelope)
    path.write_text(json.dumps(envelope) + "\n", encoding="utf-8")


def _touch(name: str) -> Callable[[Path, Runs, Vendor], object]:
    def change(folder: Path, _runs: Runs, _stranger: Vendor) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")

    return change


def _resigned_without_authority(folder: Path, _runs: Runs, stranger: Vendor) -> None:
    """The stranger signs and claims to be the vendor: by name and by key id."""
    claimed = json.loads((folder / SIGNATURES).read_bytes())["signatures"][0]["keyid"]
    (folder / SIGNATURES).unlink()
    stranger.sign(folder)
    _envelope(folder, lambda envelope: envelope["signatures"][0].update(keyid=claimed))  # type: ignore[index]


def _of_another_run(folder: Path, runs: Runs, _stranger: Vendor) -> None:
    """A good signature, of other files."""
    kept = (folder / SIGNATURES).read_bytes()
    shutil.rmtree(folder)
    shutil.copytree(runs.folder / "partial", folder)
    (folder / SIGNATURES).write_bytes(kept)


def _raw_signature(folder: Path, _runs: Runs, _stranger: Vendor) -> None:
    """Another type's statement under the same signature: the pre-authentication encoding refuses it."""
    _envelope(folder, lambda envelope: envelope.update(payloadType="text/plain"))


FORGERIES: dict[str, Callable[[Path, Runs, Vendor], object]] = {
    "the signature taken away": lambda folder, _runs, _stranger: (folder / SIGNATURES).unlink(),
    "the report changed afterwards": _touch("report.yaml"),
    "the journal changed afterwards": _touch("journal.ndjson"),
    "the page changed afterwards": _touch("report.html"),
    "a failure added afterwards": lambda folder, _runs, _stranger: (
        (folder / "failures").mkdir(exist_ok=True),  # type: ignore[func-returns-value]  # a step of a lambda
        (folder / "failures" / "x.txt").write_text("x", encoding="utf-8"),
    ),
    "a file left out of the statement": lambda folder, _runs, _stranger: _statement(
        folder,
        lambda statement: statement["subject"].pop(),  # type: ignore[attr-defined]
    ),
    "another digest in the statement": lambda folder, _runs, _stranger: _statement(
        folder,
        lambda statement: statement["subject"][0]["digest"].update(sha256="0" * 64),  # type: ignore[index]
    ),
    "another verdict in the statement": lambda folder, _runs, _stranger: _statement(
        folder,
        lambda statement: statement["predicate"].update(product="Better 9"),  # type: ignore[attr-defined]
    ),
    "another type of statement": lambda folder, _runs, _stranger: _statement(
        folder, lambda statement: statement.update(predicateType="https://example.com/other")
    ),
    "another type of payload": _raw_signature,
    "no signature in the envelope": lambda folder, _runs, _stranger: _envelope(
        folder, lambda e: e.update(signatures=[])
    ),
    "a signature of zeros": lambda folder, _runs, _stranger: _envelope(
        folder,
        lambda e: e["signatures"][0].update(sig=base64.b64encode(bytes(64)).decode()),  # type: ignore[index]
    ),
    "no base64": lambda folder, _runs, _stranger: _envelope(folder, lambda e: e.update(payload="%%%")),
    "no JSON": lambda folder, _runs, _stranger: (folder / SIGNATURES).write_text("trust me\n", encoding="utf-8"),
    "a stranger's, under the vendor's name": _resigned_without_authority,
    "of another run": _of_another_run,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(runs: Runs, signed: Path, vendor: Vendor, stranger: Vendor, name: str) -> None:
    FORGERIES[name](signed, runs, stranger)
    assert "V015" in {objection.rule for objection in runs.verify(signed, trusted=(vendor.key,))}


def test_an_unsigned_report_is_refused_where_a_signature_is_asked_for(runs: Runs, good: Path, vendor: Vendor) -> None:
    (objection,) = runs.verify(good, trusted=(vendor.key,))
    assert (objection.rule, objection.found) == ("V015", "no signature")
    assert vendor.key.fingerprint in objection.expected


def test_the_bytes_that_are_signed_are_those_of_dsse() -> None:
    assert pre_authentication(b"hello") == f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} 5 hello".encode()


def test_a_new_private_key_is_for_its_owner_alone_and_replaces_nothing(vendor: Vendor) -> None:
    assert stat.S_IMODE(vendor.private.stat().st_mode) == 0o600
    with pytest.raises(UsageFault, match="exists already"):
        make_keys(vendor.private, None)


def test_a_private_key_that_others_can_read_signs_nothing(vendor: Vendor) -> None:
    vendor.private.chmod(0o644)
    with pytest.raises(UsageFault, match=r"others can read the private key .*: chmod 600"):
        read_private(vendor.private, None)


def test_a_locked_key_needs_its_passphrase(tmp_path: Path) -> None:
    _, made = make_keys(tmp_path / "locked", Secret("correct horse"))
    opened = read_private(tmp_path / "locked", Secret("correct horse"))
    assert PublicKey("", opened.public_key()).fingerprint == made.fingerprint
    for passphrase, words in ((None, "is locked"), (Secret("wrong"), "the passphrase is wrong")):
        with pytest.raises(UsageFault, match=words):
            read_private(tmp_path / "locked", passphrase)


def test_keys_as_openssh_writes_them_are_taken(tmp_path: Path, good: Path, runs: Runs) -> None:
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "id_ed25519", tmp_path / "id_ed25519.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    private.chmod(0o600)
    public.write_bytes(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" vendor@example.com\n")
    sign(good, read_report(good), read_private(private, None), "")
    assert runs.verify(good, trusted=(read_public(public),)) == []


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "ec"
    other.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    other.chmod(0o600)
    with pytest.raises(UsageFault, match="expected Ed25519"):
        read_private(other, None)
    (tmp_path / "nonsense").write_text("nonsense", encoding="utf-8")
    with pytest.raises(UsageFault, match="is no public key"):
        read_public(tmp_path / "nonsense")
