"""A text that a regular expression matches, made by walking its parse tree and checked against it."""

import re
import re._constants as tree  # type: ignore[import-not-found]  # the public sre_constants is deprecated in its favour
import re._parser as parser  # type: ignore[import-not-found]  # the same
from typing import Any, Final

from mock_vllm.structured.draw import Draw

ATTEMPTS: Final = 32
EXTRA: Final = 3
PRINTABLE: Final = [chr(code) for code in range(33, 127)]
CATEGORIES: Final = {
    tree.CATEGORY_DIGIT: "0123456789",
    tree.CATEGORY_NOT_DIGIT: "abcdefgh",
    tree.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz0123456789_",
    tree.CATEGORY_NOT_WORD: " -.,",
    tree.CATEGORY_SPACE: " ",
    tree.CATEGORY_NOT_SPACE: "abcdefgh",
}


class Unsatisfiable(ValueError):  # noqa: N818  # it names a property of the constraint, not a fault
    """No value was found for a constraint."""


def matching(pattern: str, draw: Draw, *, shortest: int = 0, longest: int | None = None, whole: bool = True) -> str:
    """A text that `pattern` matches (as a whole, or somewhere in it), of `shortest` to `longest` characters.

    Raises Unsatisfiable for a pattern that is no regular expression or for which none was found.
    """
    try:
        compiled = re.compile(pattern)
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Unsatisfiable(f"{pattern!r} is not a regular expression: {error}") from None
    fits = compiled.fullmatch if whole else compiled.search
    for attempt in range(ATTEMPTS):
        text = "".join(_Walk(draw, attempt).items(parsed))
        if len(text) < shortest:
            text += "".join(draw.word() for _ in range(shortest))[: shortest - len(text)]
        if len(text) >= shortest and (longest is None or len(text) <= longest) and fits(text):
            return text
    raise Unsatisfiable(f"no text was found for the pattern {pattern!r}")


class _Walk:
    """One attempt; later attempts repeat more often."""

    def __init__(self, draw: Draw, attempt: int) -> None:
        self._draw = draw
        self._more = attempt // 4
        self._groups: dict[int, str] = {}

    def items(self, parsed: Any) -> list[str]:
        """The texts of a sequence of parse nodes."""
        return [self._one(kind, value) for kind, value in parsed]

    def _one(self, kind: Any, value: Any) -> str:
        if kind is tree.LITERAL:
            return chr(value)
        if kind is tree.NOT_LITERAL:
            return self._draw.among([one for one in PRINTABLE if one != chr(value)])
        if kind is tree.ANY:
            return self._draw.among(PRINTABLE)
        if kind is tree.IN:
            return self._set(value)
        if kind in (tree.MAX_REPEAT, tree.MIN_REPEAT, getattr(tree, "POSSESSIVE_REPEAT", None)):
            return self._repeat(*value)
        return self._group(kind, value)

    def _group(self, kind: Any, value: Any) -> str:
        if kind is tree.SUBPATTERN:
            text = "".join(self.items(value[3]))
            if value[0] is not None:
                self._groups[value[0]] = text
            return text
        if kind is tree.GROUPREF:
            return self._groups.get(value, "")
        if kind is tree.BRANCH:
            return "".join(self.items(self._draw.among(value[1])))
        if kind is getattr(tree, "ATOMIC_GROUP", None):
            return "".join(self.items(value))
        return ""  # anchors and assertions take no room; the final match decides about them

    def _repeat(self, least: int, most: Any, inner: Any) -> str:
        upper = least + EXTRA + self._more if most is tree.MAXREPEAT else min(int(most), least + EXTRA + self._more)
        times = least + self._draw.below(upper - least + 1)
        return "".join("".join(self.items(inner)) for _ in range(times))

    def _set(self, members: Any) -> str:
        negated = bool(members) and members[0][0] is tree.NEGATE
        found: list[str] = []
        for kind, value in members:
            if kind is tree.LITERAL:
                found.append(chr(value))
            elif kind is tree.RANGE:
                found += [chr(code) for code in range(value[0], min(value[1], value[0] + 200) + 1)]
            elif kind is tree.CATEGORY:
                found += CATEGORIES[value]
        if negated:
            found = [one for one in [*PRINTABLE, " "] if one not in found]
        if not found:
            raise Unsatisfiable("a character class of the pattern allows no printable character")
        return self._draw.among(found)
