"""The command line: `mock-vllm serve MODEL [options]`."""

import argparse
import os
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from mock_vllm.settings import Settings
from mock_vllm.version import parse as parse_version

PREFIX: Final = "MOCK_VLLM_"
# options of a real server that say nothing to this one: accepted, so that its command lines work unchanged
REAL_ONLY: Final = (
    *(
        "chat-template",
        "download-dir",
        "dtype",
        "gpu-memory-utilization",
        "kv-cache-dtype",
        "load-format",
        "max-num-batched-tokens",
    ),
    *("pipeline-parallel-size", "quantization", "revision", "swap-space", "tensor-parallel-size", "tool-call-parser"),
)
REAL_ONLY_SWITCHES: Final = (
    "disable-log-requests",
    "disable-log-stats",
    "enable-chunked-prefill",
    "enforce-eager",
    "trust-remote-code",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; ends the process with 0, or 2 and one sentence when the options are wrong."""
    arguments = vars(parser().parse_args(argv))
    arguments.pop("command")
    try:
        settings = resolve(arguments, os.environ)
        parse_version(settings.vllm_version)
    except ValueError as error:
        sys.stderr.write(f"mock-vllm: {error}\n")
        raise SystemExit(2) from None
    from mock_vllm.server.process import serve

    try:
        serve(settings)
    except ValueError as error:
        sys.stderr.write(f"mock-vllm: {error}\n")
        raise SystemExit(2) from None
    except OSError as error:
        sys.stderr.write(f"mock-vllm: {error.strerror or error}\n")
        raise SystemExit(3) from None


def parser() -> argparse.ArgumentParser:
    """Flags for every field of `Settings`, grouped as `--help` shows them."""
    top = argparse.ArgumentParser(
        prog="mock-vllm", description="A deterministic stand-in for a vLLM OpenAI server, on CPU."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="{serve}")
    serve = commands.add_parser(
        "serve", help="Serve a model until SIGTERM or SIGINT.", argument_default=argparse.SUPPRESS
    )
    serve.add_argument("model", nargs="?", metavar="MODEL", help="Name of the model to serve.")
    serve.add_argument(
        "--config", metavar="FILE", help="YAML file with the same names as the flags. Flag > environment > file."
    )
    groups: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        text, group = _described(field)
        if group not in groups:
            groups[group] = serve.add_argument_group(group)
        _add_flag(groups[group], field, text)
    for name in REAL_ONLY:
        serve.add_argument(f"--{name}", dest="real_only", help=argparse.SUPPRESS)
    for name in REAL_ONLY_SWITCHES:
        serve.add_argument(f"--{name}", f"--no-{name}", dest="real_only", action="store_true", help=argparse.SUPPRESS)
    return top


def _described(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    meta = next(note for note in field.type.__metadata__ if isinstance(note, msgspec.Meta))
    return str(meta.description), str((meta.extra or {})["group"])


def _add_flag(group: Any, field: msgspec.structs.FieldInfo, text: str) -> None:
    flag = "--" + field.name.replace("_", "-")
    shown = "" if field.default in ((), None, False) else f" (default: {field.default})"
    kind = typing.get_args(field.type)[0]
    if kind is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text + shown)
    elif typing.get_origin(kind) is tuple:
        group.add_argument(flag, nargs="+", metavar="X", help=text)
    else:
        group.add_argument(flag, metavar=_metavar(kind), help=text + shown)


def _metavar(kind: Any) -> str:
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return {int: "N", float: "X", str: "TEXT"}.get(kinds[0], "TEXT")


def resolve(flags: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Flags before environment (`MOCK_VLLM_<NAME>`) before file before defaults. Raises ValueError with one sentence."""
    merged: dict[str, Any] = {}
    config = flags.get("config") or environment.get(PREFIX + "CONFIG")
    if config:
        merged |= _read(Path(config))
    for field in msgspec.structs.fields(Settings):
        value = environment.get(PREFIX + field.name.upper())
        if value is not None:
            merged[field.name] = value.split() if typing.get_origin(typing.get_args(field.type)[0]) is tuple else value
    merged |= {name: value for name, value in flags.items() if name not in ("config", "real_only")}
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        where = f"option --{name.replace('_', '-')}: " if name else ""
        raise ValueError(f"{where}{text}" + (f", got {merged[name]!r}" if name in merged else "")) from None
    if not 0 <= (settings.admin_port or 0) <= 65535:  # msgspec bounds no field that may be absent
        raise ValueError(f"option --admin-port: expected a port from 0 to 65535, got {settings.admin_port}")
    return settings


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot read the configuration file {file}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"the configuration file {file} is not YAML: {error}") from None
    try:
        return {str(name).replace("-", "_"): value for name, value in loaded.items()}
    except AttributeError:
        kind = type(loaded).__name__
        raise ValueError(f"the configuration file {file} must hold a mapping of option names, found {kind}") from None
