"""Files that are fetched from elsewhere: pinned by digest, taken from a bundle where the network is closed."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.data import data_folder
from harness.platforms.strict_file import read_strict

FETCH_TIMEOUT_S = 60.0
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PinnedFiles(_Strict):
    """Files of one release: base URL, and the digest of each by name."""

    version: str
    licence: str
    base: str = Field(pattern=r"^https://.+/$")
    files: dict[str, Sha256] = Field(min_length=1)


class PinnedImage(_Strict):
    """An image by tag and digest."""

    version: str
    image: str = Field(pattern=r"^.+:.+@sha256:[0-9a-f]{64}$")


class Pins(_Strict):
    """Everything that is not ours."""

    gateway_api: PinnedFiles = Field(alias="gateway-api")
    kind_node: PinnedImage = Field(alias="kind-node")


def pins() -> Pins:
    """The pins of this release."""
    return read_strict(data_folder("pins.yaml"), Pins, "file of pins")


def obtain(pinned: PinnedFiles, folder: Path, bundle: Path | None) -> list[Path]:
    """Put the pinned files into the folder, from a bundle or from their URLs, each verified; returns their paths by name.

    Raises UsageFault when the bundle lacks a file, EnvironmentFault when one cannot be fetched or is not what was pinned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, digest in sorted(pinned.files.items()):
        content = _from_bundle(bundle / name) if bundle else _fetch(pinned.base + name)
        actual = hashlib.sha256(content).hexdigest()
        if actual != digest:
            origin = str(bundle / name) if bundle else pinned.base + name
            raise EnvironmentFault(f"{origin} is not the file that was pinned: expected sha256 {digest}, came {actual}")
        path = folder / name
        path.write_bytes(content)
        found.append(path)
    return found


def _from_bundle(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageFault(f"the bundle lacks {path}: {error.strerror}") from error


def _fetch(url: str) -> bytes:
    import httpx

    try:
        answer = httpx.get(url, timeout=FETCH_TIMEOUT_S, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise EnvironmentFault(
            f"cannot fetch {url}: {error}; where the network is closed, put the files of fixtures/pins.yaml into a folder "
            "and name it with --set bundle=DIR"
        ) from error
    return answer.content
