"""No artefact holds a credential, and a run that wrote one says so."""

import pytest

from harness.engine.redaction import REDACTED, files_with_credentials, redact
from harness.outcome import ExitCode
from tests.engine.conftest import Suite

KEY = "sk-oai-0123456789abcdef_0123456789abcdefghijklmnop"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"

LEAKY = f"""
@check("MAAS-RATE-001")
def test_says_too_much(recorder):
    token = Secret("opaque-token-4711").reveal()
    print("stdout", token)
    recorder.exchange(exchange(body=('{{"key": "{KEY}", "token": "' + token + '"}}').encode(), url="http://h/?t=" + token))
    raise NotConformant(expected=token, observed="{JWT}", exchange=exchange(), detail=token)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_credentials_are_masked_wherever_they_are_written(suite: Suite, workers: str) -> None:
    suite.write("leaky", LEAKY)
    judged = suite.run("-n", workers, "-v", "-l")
    text = judged.all_text()
    assert [secret for secret in ("opaque-token-4711", KEY, JWT) if secret in text] == []
    assert REDACTED in text
    assert judged.code == ExitCode.NOT_CONFORMANT


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_live_credential_in_the_out_folder_fails_the_run(suite: Suite, workers: str) -> None:
    suite.write(
        "smuggler",
        f"""
@check("MAAS-LIST-001")
def test_it():
    open({str(suite.out / "notes.txt")!r}, "w").write(Secret("opaque-token-4711").reveal())
""",
    )
    judged = suite.run("-n", workers)
    assert judged.code == ExitCode.HARNESS
    assert judged.summary["credentials_in"] == ["notes.txt"]
    assert judged.summary["exit_code"] == ExitCode.HARNESS
    assert "live credentials were written to notes.txt" in judged.output


def test_the_scan_knows_the_shapes_of_credentials_nobody_revealed(tmp_path) -> None:
    (tmp_path / "a").write_text(f"x {KEY} y", encoding="utf-8")
    (tmp_path / "b").write_text(JWT, encoding="utf-8")
    (tmp_path / "c").write_text("sk-oai-short and $MAAS_KEY", encoding="utf-8")
    assert files_with_credentials(tmp_path, ()) == ("a", "b")


@pytest.mark.parametrize("text", [KEY, JWT, "my-secret-value-1", f"a{KEY}b{JWT}"])
def test_masking_leaves_nothing_of_the_secret(text: str) -> None:
    masked = redact(text, secrets=["my-secret-value-1", "my-secret-value-1-and-more"])
    assert text not in masked
    assert REDACTED in masked


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    assert redact("token-1234567890123-long", secrets=["token-1234567890123", "token-1234567890123-long"]) == REDACTED
