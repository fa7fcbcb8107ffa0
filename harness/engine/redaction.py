"""No credential in any artefact: masking before anything is written, and a scan of everything that was.

Masking knows every text that a `Secret` revealed in this process, and the shapes of API keys and JWTs for those that never
became a `Secret`, such as the key in the body of the response that mints it.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

from harness.client.secret import how_many_revealed, revealed

REDACTED: Final = "<redacted>"
_SHORTEST: Final = 16
"""Shorter texts occur by chance or were made up by a check; masking them would maim reports, and no platform issues such."""
_START: Final = 8
_KEY = re.compile(r"sk-oai-[0-9A-Za-z]{8,}_[0-9A-Za-z]{16,}")
_JWT = re.compile(r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{16,}")


class _Known:
    """Credentials to look for, the longest first, since one may contain another.

    Nearly all begin in one of two ways, so that a text without any (as most are) is told by a few searches instead of hundreds.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._texts = sorted((secret for secret in secrets if len(secret) >= _SHORTEST), key=len, reverse=True)
        self._starts = frozenset(text[:_START] for text in self._texts)

    def masked(self, text: str) -> str:
        if any(start in text for start in self._starts):
            for secret in self._texts:
                if secret in text:
                    text = text.replace(secret, REDACTED)
        return text


@lru_cache(maxsize=1)
def _revealed(_number: int) -> _Known:
    return _Known(revealed())


def redact(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text with every known or recognisable credential masked."""
    if len(text) < _SHORTEST:
        return text  # as most headers are: too short for any credential
    known = _revealed(how_many_revealed()) if secrets is None else _Known(secrets)
    return _JWT.sub(REDACTED, _KEY.sub(f"sk-oai-{REDACTED}", known.masked(text)))


def files_with_credentials(folder: Path, secrets: Iterable[str]) -> tuple[str, ...]:
    """Files below `folder`, relative to it, that hold a credential of this run or something of a credential's shape."""
    # A credential of a known shape is found by that: hundreds of keys need no search of their own.
    known = [text.encode() for text in secrets if len(text) >= _SHORTEST and not _has_shape(text)]
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
        content = path.read_bytes()
        text = content.decode("utf-8", errors="replace")
        if any(secret in content for secret in known) or _has_shape(text):
            found.append(str(path.relative_to(folder)))
    return tuple(found)


def _has_shape(text: str) -> bool:
    return bool(_KEY.search(text) or _JWT.search(text))


class RedactingFile:
    """A text file for output that others produce (pytest's own); masks line by line."""

    def __init__(self, target: TextIO) -> None:
        self._target = target
        self._pending = ""
        self.encoding = "utf-8"

    def write(self, text: str) -> int:
        """Keep text until its line is complete: a credential may arrive in pieces."""
        *lines, self._pending = (self._pending + text).split("\n")
        for line in lines:
            self._target.write(redact(line) + "\n")
        return len(text)

    def flush(self) -> None:
        """Pass complete lines on."""
        self._target.flush()

    def isatty(self) -> bool:
        """Never a terminal: no colours, no cursor movements."""
        return False

    def close(self) -> None:
        """Write what is left, masked."""
        if self._pending:
            self._target.write(redact(self._pending))
            self._pending = ""
        self._target.close()
