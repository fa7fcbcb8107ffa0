"""The Common Expression Language as Kubernetes speaks it: the official C++ evaluator plus the Kubernetes function library."""

import base64
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

from harness.simulator.kubeapi.cel_library import declarations, plain_formats
from harness.simulator.kubeapi.structural import Schema

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


class CelError(Exception):
    """A rule that does not compile, or whose evaluation ended in an error."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression."""

    expression: Any
    uses_old: bool

    def evaluate(self, variables: dict[str, Any]) -> Any:
        """The plain Python value. Raises CelError for an evaluation error."""
        try:
            value = self.expression.eval(data=variables)
            failed = value.type() == cel.Type.ERROR
            found = value.value() if failed else value.plain_value()
        except Exception as error:
            raise CelError(_short(str(error))) from error
        if failed:
            raise CelError(_short(str(found)))
        return found


def _short(text: str) -> str:
    """The part of a C++ status text that a cluster prints too."""
    found = re.search(r"[Kk]ey not found in map\s*:?\s*\"?(?P<key>[^\"\s']+)", text)
    return f"no such key: {found['key']}" if found else text.split("\n", 1)[0]


RULE_VARIABLES = ("self", "oldSelf")
CONDITION_VARIABLES = ("object", "oldObject", "request")


@functools.cache
def _environment(variables: tuple[str, ...]) -> Any:
    return cel.NewEnv(
        variables=dict.fromkeys(variables, cel.Type.DYN),
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_math.ExtMath(),
            ext_bindings.ExtBindings(),
            ext_encoders.ExtEncoders(),
        ],
        functions=declarations(),
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def compile_rule(text: str, variables: tuple[str, ...] = RULE_VARIABLES) -> Program:
    """Compile an expression over untyped variables. Raises CelError that quotes the compiler."""
    try:
        expression = _environment(variables).compile(plain_formats(text))
    except Exception as error:
        raise CelError(f"compilation failed: {str(error).strip()}") from error
    return Program(expression, uses_old=re.search(r"\boldSelf\b", text) is not None)


def escaped(name: str) -> str:
    """A property name as rules spell it: `__dot__`, `__dash__`, `__slash__`, `__underscores__`, and keywords in underscores."""
    if name in _RESERVED:
        return f"__{name}__"
    if name.replace("_", "").isalnum() and "__" not in name:
        return name
    text = name.replace("__", "__underscores__")
    return text.replace(".", "__dot__").replace("-", "__dash__").replace("/", "__slash__")


@functools.lru_cache(maxsize=8192)
def _needs_change(schema: Schema) -> bool:
    if schema.format in _PARSED or schema.type == "number":
        return True
    if any(escaped(name) != name for name in schema.properties):
        return True
    children = (*schema.properties.values(), schema.items, schema.additional)
    return any(_needs_change(child) for child in children if child is not None)


def native(value: Any, schema: Schema) -> Any:
    """A JSON value as rules see it: formats become times, durations and bytes, `number` a double, property names are escaped."""
    if not _needs_change(schema):
        return value
    if isinstance(value, dict):
        changed = {}
        for name, each in value.items():
            child = schema.child(name)
            spelled = escaped(name) if name in schema.properties else name
            changed[spelled] = native(each, child) if child is not None else each
        return changed
    if isinstance(value, list):
        return [native(each, schema.items) for each in value] if schema.items is not None else value
    return _scalar(value, schema)


def _scalar(value: Any, schema: Schema) -> Any:
    if schema.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return value
    try:
        parse = _PARSED.get(schema.format)
        return parse(value) if parse is not None else value
    except ValueError:
        return value


def _moment(text: str) -> Any:
    from google.protobuf.timestamp_pb2 import Timestamp

    moment = Timestamp()
    moment.FromDatetime(datetime.fromisoformat((text if "T" in text.upper() else f"{text}T00:00:00Z").upper()))
    return moment


def _duration(text: str) -> Any:
    from google.protobuf.duration_pb2 import Duration

    parts = re.findall(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts:
        raise ValueError(text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    length = Duration()
    length.FromTimedelta(timedelta(seconds=-seconds if text.startswith("-") else seconds))
    return length


# Times and durations go in as protobuf messages: the library takes no `datetime` inside an untyped variable.
_PARSED: dict[str, Callable[[str], Any]] = {
    "date-time": _moment,
    "date": _moment,
    "duration": _duration,
    "byte": base64.b64decode,
}
