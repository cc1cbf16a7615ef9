"""A page that needs nothing else: findings at the top, then sections; whatever its template is given is escaped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from offline.report.blocks import Section
from offline.report.findings import Finding, Weight

_MARKS = {Weight.GOOD: "✓ good", Weight.NOTE: "· note", Weight.LOOK: "! look closer", Weight.BAD: "✗ against it"}
_TEMPLATE, _STYLE = "template.html.j2", "style.css"


@dataclass(frozen=True)
class Head:
    """What stands at the top."""

    title: str  # of the window
    name: str  # of the shop
    subject: str  # what the page is about
    kind: str  # what kind of statement the heading is
    heading: str
    meaning: str
    findings: Sequence[Finding]
    look: str = ""  # a class of the style sheet


def html_of(head: Head, sections: Sequence[Section]) -> str:
    """The page as one text."""
    environment = Environment(
        finalize=_with_firm_percent,
        loader=PackageLoader("offline.report", "."),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("offline.report").joinpath(_STYLE).read_text("utf-8")
    return environment.get_template(_TEMPLATE).render(
        head=head,
        marks=_MARKS,
        sections=sections,
        style=Markup(style),  # noqa: S704 - our own file
    )


def _with_firm_percent(value: Any) -> Any:
    """No line breaks before a percent sign."""
    return re.sub(r"(?<=\d) %", "\u00a0%", value) if type(value) is str else value
