"""What a session was asked to do: pytest's options, each of which an environment variable can stand in for."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.engine.events import Product
from harness.engine.known_failures import KnownFailure, known_failures
from harness.engine.options import BACKENDS, OUT, STACKS, TARGETS
from harness.outcome import UsageFault
from harness.platforms.target import TargetOptions
from harness.spec.profile import DEFAULT_PROFILE


@dataclass(frozen=True, slots=True)
class Shard:
    """The `number`-th (from 1) of `count` parts of a selection."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `I/N`. Raises UsageFault when it is none."""
        number, slash, count = text.partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
            raise UsageFault(f"--maas-shard takes I/N with I from 1 to N, such as 2/4; got {text!r}")
        return cls(int(number), int(count))


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One session's request, complete: `platform_file` takes the place of opening a target."""

    target: TargetOptions
    platform_file: Path | None
    profile: str
    areas: tuple[str, ...]
    requirements: tuple[str, ...]
    until_broken: tuple[str, ...]
    out: Path
    retries: int
    seed: int | None
    shard: Shard | None
    rerun: Path | None
    resume: Path | None
    known_failures: tuple[KnownFailure, ...]
    product: Product | None
    own_console: bool
    json: bool
    arguments: tuple[str, ...]


def settings_of(config: pytest.Config, environment: Mapping[str, str] = os.environ) -> RunSettings:
    """Read options and environment. Raises UsageFault naming the option when a value is none of those it takes."""
    given = _Given(config, environment)
    settings = dict(_pair(text) for text in given.many("maas_set"))
    if (quirks := given.one("maas_quirks")) is not None:
        settings["quirks"] = quirks
    if (kube_api := given.one("maas_kube_api")) is not None:
        settings["kube-api"] = kube_api
    target = TargetOptions(
        target=given.choice("maas_target", TARGETS, "embedded"),
        stack=given.choice("maas_stack", STACKS, "reference"),
        kubeconfig=given.path("maas_kubeconfig"),
        gateway_url=given.one("maas_gateway"),
        management_url=given.one("maas_management"),
        environment=given.path("maas_environment"),
        worlds=tuple(Path(text) for text in given.many("maas_world")),
        backend=given.choice("maas_backend", BACKENDS, "mock"),
        gpu_profile=given.path("maas_gpu_profile"),
        keep=bool(config.getoption("maas_keep")) or environment.get("MAAS_KEEP") == "1",
        settings=settings,
    )
    return RunSettings(
        target=target,
        platform_file=given.path("maas_platform"),
        profile=given.one("maas_profile") or DEFAULT_PROFILE,
        areas=tuple(given.many("maas_area")),
        requirements=tuple(given.many("maas_requirement")),
        until_broken=tuple(given.many("maas_until_broken")),
        out=(given.path("maas_out") or Path(OUT)).absolute(),
        retries=given.number("maas_retries"),
        seed=given.number("maas_seed") if given.one("maas_seed") else None,
        shard=Shard.parse(shard) if (shard := given.one("maas_shard")) else None,
        rerun=given.path("maas_rerun"),
        resume=given.path("maas_resume"),
        known_failures=known_failures(file) if (file := given.path("maas_known_failures")) else (),
        product=_product(given),
        own_console=bool(config.getoption("maas_own_console")),
        json=config.getoption("maas_own_console") == "stderr",
        arguments=tuple(str(argument) for argument in config.invocation_params.args),
    )


def _product(given: "_Given") -> Product | None:
    names = ("maas_organization", "maas_product", "maas_product_version", "maas_product_configuration")
    organization, project, version, configuration = (given.one(name) or "" for name in names)
    if not any((organization, project, version, configuration)):
        return None
    return Product(organization=organization, project=project, version=version, configuration=configuration)


@dataclass(frozen=True, slots=True)
class _Given:
    """Option first, then the environment variable of the same name in capitals."""

    config: pytest.Config
    environment: Mapping[str, str]

    def one(self, name: str) -> str | None:
        value = self.config.getoption(name)
        return str(value) if value is not None else self.environment.get(name.upper()) or None

    def many(self, name: str) -> list[str]:
        values: list[str] = self.config.getoption(name) or []
        return values or [part for part in self.environment.get(name.upper(), "").split(",") if part]

    def path(self, name: str) -> Path | None:
        value = self.one(name)
        return Path(value).expanduser().absolute() if value else None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> Any:
        value = self.one(name) or default
        if value not in choices:
            raise UsageFault(f"{_flag(name)} takes one of {', '.join(choices)}; got {value!r}")
        return value

    def number(self, name: str) -> int:
        value = self.one(name) or "0"
        if not value.isdecimal():
            raise UsageFault(f"{_flag(name)} takes a number from 0; got {value!r}")
        return int(value)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageFault(f"--maas-set takes NAME=VALUE; got {text!r}")
    return name, value
