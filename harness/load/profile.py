"""Load profiles: how much of what is asked, and what the platform has to show under it. YAML, read strictly."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.outcome import UsageFault

Kind = Literal["chat", "stream", "completions"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Share(_Strict):
    """One kind of request and its weight in the mix."""

    kind: Kind
    weight: float = Field(1, gt=0)
    max_tokens: int = Field(16, ge=1)
    prompt: str = Field("Tell me something about tokens.", min_length=1)


class Objectives(_Strict):
    """What has to hold in the measured time."""

    achieved_rate: float = Field(0.98, gt=0, le=1, description="answered requests as a share of the rate")
    error_share: float = Field(0.001, ge=0, le=1, description="share of requests not answered with 200")
    p95_latency_ms: float = Field(gt=0, description="answers in one piece, from sending to the last byte")
    p95_ttft_ms: float = Field(gt=0, description="streams, from sending to the first chunk with text")


class Generator(_Strict):
    """Beyond these the load generator was the bottleneck, and nothing can be concluded."""

    cpu_cores: float = Field(0.9, gt=0, description="CPU of the Locust process, which has one core at most")


class Profile(_Strict):
    """A load to drive, complete."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    description: str = ""
    rate: float = Field(gt=0, description="requests a second, all users together")
    users: int = Field(ge=1, description="concurrent users; each keeps its share of the rate")
    identities: int = Field(1, ge=1, le=100)
    warmup_s: float = Field(0, ge=0)
    duration_s: float = Field(gt=0)
    seed: int = 1
    mix: Annotated[tuple[Share, ...], Field(min_length=1)]
    objectives: Objectives
    generator: Generator = Generator()

    @model_validator(mode="after")
    def _every_identity_has_a_user(self) -> Self:
        if self.identities > self.users:
            raise ValueError(f"{self.identities} identities need as many users at least; there are {self.users}")
        return self

    @property
    def interval_s(self) -> float:
        """Time between two requests of one user."""
        return self.users / self.rate

    def scaled(self, factor: float) -> Self:
        """The same with a rate so many times as high."""
        return self.model_copy(update={"rate": self.rate * factor})


def read_profile(path: Path, changes: dict[str, str] | None = None) -> Profile:
    """Read a profile; `changes` maps dotted names to YAML values (`objectives.p95_ttft_ms`: `50`).

    Raises UsageFault naming file, field, and what was expected there.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageFault(f"cannot read the load profile {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageFault(f"the load profile {path} is not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise UsageFault(f"the load profile {path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise UsageFault(f"the load profile {path} holds {_kind(document)}; expected a mapping (NAME: VALUE)")
    for name, text in (changes or {}).items():
        _change(document, name, text)
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the profile"
        raise UsageFault(f"{path}: {where}: {first['msg']} (it is {first['input']!r})") from error


def _kind(document: object) -> str:
    return "nothing" if document is None else "a list" if isinstance(document, list) else "no fields, but one value"


def _change(document: dict[str, Any], name: str, text: str) -> None:
    *parents, last = name.split(".")
    place = document
    for parent in parents:
        inner = place.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise UsageFault(f"--set {name}: {parent} holds no fields of its own")
        place = inner
    try:
        place[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageFault(f"--set {name}: {text!r} is no YAML value") from error
