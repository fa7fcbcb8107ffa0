"""Templates of self-contained pages; what they share, the style above all, lies beside them."""

import re
from functools import cache
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from harness.reporting.data import report_data

_CODE: Final = re.compile(r"`([^`]+)`")
_PARTS: Final = re.compile(r"([_/]|::)")
_STRONG: Final = re.compile(r"\*\*([^*`<>]+)\*\*")


@cache
def template(name: str) -> Template:
    """The template `reports/NAME`: everything that is put in is escaped, and a name that is missing is an error."""
    loader = FileSystemLoader(report_data(name).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = code
    environment.filters["breakable"] = breakable
    return environment.get_template(name)


def code(text: str) -> Markup:
    """Words between backticks as code, between two asterisks as strong, everything escaped: the catalogue writes names and stress so."""
    parts = _CODE.split(str(escape(text)))  # every second one was between backticks
    marked = (
        f"<code>{part}</code>" if index % 2 else _STRONG.sub(r"<strong>\1</strong>", part)
        for index, part in enumerate(parts)
    )
    return Markup("".join(marked))  # noqa: S704 - escaped before the tags are put in


def breakable(name: str) -> Markup:
    """A long name that may break after each of its parts rather than anywhere; copied, it is the name itself."""
    return Markup(_PARTS.sub(r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped before the breaks are put in
