"""Runs a component in two steps: `python -m harness.platforms.launcher MODULE` loads it, then one line on standard input starts it.

Loading (most of a component's start) needs nothing, while its arguments are only known when others are ready: so all components load at
once, and each is told its arguments, a JSON list, when its turn comes. End of input without a line ends the process.
"""

import ast
import gc
import importlib
import importlib.util
import json
import runpy
import sys

YOUNG = 20_000
"""New objects between two collections; Python's own number, 700, is that of one request."""


def imports_of(module: str) -> list[str]:
    """Modules that a component imports anywhere in its main text (a package's `__main__`, else the module), relative names resolved."""
    package = module
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    if spec is None or spec.origin is None:
        return [module]
    with open(spec.origin, encoding="utf-8") as source:  # noqa: PTH123 - pathlib would be one more import on the way to ready
        tree = ast.parse(source.read())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            found.append(importlib.util.resolve_name(name, package) if node.level else name)
    return found


def main() -> None:
    """Load, wait for the arguments, become the component."""
    module = sys.argv[1]
    for name in imports_of(module):
        importlib.import_module(name)
    # What is loaded stays: collections need not look at it again, nor come as often as in a small program.
    gc.freeze()
    gc.set_threshold(YOUNG)
    line = sys.stdin.readline()
    if not line:
        return
    sys.argv = [module, *json.loads(line)]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
