"""The part of JSONPath that printer columns, scale paths and conditions use.

Names (`.a`, `['a.b']`, with `\\.` for a dot inside a name), indexes (`[0]`, `[-1]`), everything (`[*]`, `.*`) and filters
(`[?(@.type=="Ready")]`).
"""

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

_STEP = re.compile(
    r"""\.?\[\?\(\s*@\.(?P<field>[\w.\-/]+)\s*(?P<op>==|!=)\s*(?P<value>"[^"]*"|'[^']*'|[\w.\-]+)\s*\)\]"""
    r"""|\.?\[(?P<index>-?\d+)\]|\.?\[(?P<quoted>'[^']*'|"[^"]*")\]|\.?\[(?P<all>\*)\]|\.(?P<star>\*)|\.?(?P<name>(?:\\.|[^.\[\]\\])+)"""
)
Step = Callable[[Any], Iterator[Any]]


def _named(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _indexed(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _every(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _filtered(path: str, wanted: str, *, equal: bool) -> Step:
    steps = _steps("." + path)

    def step(value: Any) -> Iterator[Any]:
        for each in value if isinstance(value, list) else ():
            found = next(_walk(each, steps), None)
            text = str(found).lower() if isinstance(found, bool) else str(found)
            if (found is not None and text == wanted) is equal:
                yield each

    return step


def _steps(path: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    at = 0
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or found.end() == at:
            raise ValueError(f"JSONPath {path!r} cannot be read from {path[at:]!r} on")
        at = found.end()
        if found["field"]:
            steps.append(_filtered(found["field"], found["value"].strip("\"'"), equal=found["op"] == "=="))
        elif found["index"]:
            steps.append(_indexed(int(found["index"])))
        elif found["all"] or found["star"]:
            steps.append(_every)
        else:
            name = found["quoted"][1:-1] if found["quoted"] else re.sub(r"\\(.)", r"\1", found["name"])
            steps.append(_named(name))
    return tuple(steps)


def _walk(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    for each in steps[0](value):
        yield from _walk(each, steps[1:])


@functools.lru_cache(maxsize=1024)
def compile_path(path: str) -> tuple[Step, ...]:
    """Read a path once. Raises ValueError."""
    return _steps(path.strip().removeprefix("{").removesuffix("}").removeprefix("$"))


def first(value: Any, path: str) -> Any:
    """The first value at a path, None where there is none."""
    return next(_walk(value, compile_path(path)), None)
