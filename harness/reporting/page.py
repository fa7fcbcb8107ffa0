"""Templates of self-contained pages; what they share, the style above all, lies beside them."""

import re
from functools import cache
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from harness.reporting.data import report_data

_CODE: Final = re.compile(r"`([^`]+)`")


@cache
def template(name: str) -> Template:
    """The template `reports/NAME`: everything that is put in is escaped, and a name that is missing is an error."""
    loader = FileSystemLoader(report_data(name).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["code"] = code
    return environment.get_template(name)


def code(text: str) -> Markup:
    """Words between backticks as code, everything escaped: the catalogue writes names so."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before the tags are put in
