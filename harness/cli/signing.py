"""`report keygen` and `report sign`."""

import os
import sys
from pathlib import Path
from typing import Final

import click

from harness.client.secret import Secret
from harness.outcome import UsageFault

PASSPHRASE: Final = "MAAS_SIGNING_PASSPHRASE"  # noqa: S105 - the name of a variable


@click.command("keygen")
@click.argument("private", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--locked", is_flag=True, help=f"Lock it by a passphrase: asked for, or from {PASSPHRASE}.")
def keygen(private: Path, locked: bool) -> None:
    """Make an Ed25519 key that signs reports: PRIVATE (mode 0600), and PRIVATE.pub to give to those who verify."""
    from harness.reporting.signing_key import make_keys

    passphrase = _passphrase(confirm=True) if locked else None
    if locked and passphrase is None:
        raise UsageFault(f"--locked needs a passphrase: run it in a terminal, or set {PASSPHRASE}")
    public, key = make_keys(private, passphrase)
    click.echo(f"private key {private} (keep it), public key {public} (give it to those who verify), {key.fingerprint}")


@click.command("sign")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Private key: Ed25519, PEM or OpenSSH.",
)
@click.option("--name", "signer", default="", help="Who signs, in words; only the key proves it.")
def sign(folder: Path, key: Path, signer: str) -> None:
    """Sign the report in FOLDER, as it is now: fill it in first. Refuses a folder that does not follow from its journal."""
    from harness.cli.suite import collect, scenarios
    from harness.engine.suite_digest import digest_of
    from harness.reporting.rules import CONSISTENT
    from harness.reporting.signature import read_signatures
    from harness.reporting.signature import sign as add_signature
    from harness.reporting.signing_key import PublicKey, read_private
    from harness.reporting.verification import verify

    private = read_private(key, _passphrase(confirm=False))
    suite = collect("--maas-target", "embedded")
    report, objections = verify(folder, suite.plan, digest_of([scenarios()], scenarios().parent))
    grave = [objection for objection in objections if objection.rule in CONSISTENT]
    if grave or report is None:
        raise UsageFault(f"this report is not signed: {objections[0]}")
    public = PublicKey(key.name, private.public_key())
    if any(not isinstance(entry, str) and entry.by for entry in read_signatures(folder, [public])):
        raise UsageFault(f"{folder} carries a signature by this key already")
    path = add_signature(folder, report, private, signer)
    click.echo(f"signed as {public.fingerprint}: {path}")


def _passphrase(*, confirm: bool) -> Secret | None:
    """From the environment; a new one also from a terminal, never shown."""
    text = os.environ.get(PASSPHRASE)
    if text is None and confirm and sys.stdin.isatty():
        text = click.prompt("passphrase", hide_input=True, confirmation_prompt=True)
    return Secret(text) if text else None
