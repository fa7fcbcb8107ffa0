"""Templates of self-contained pages; what they share, the style above all, lies beside them."""

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from harness.reporting.data import report_data


@cache
def template(name: str) -> Template:
    """The template `reports/NAME`: everything that is put in is escaped, and a name that is missing is an error."""
    loader = FileSystemLoader(report_data(name).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
