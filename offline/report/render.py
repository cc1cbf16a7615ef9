"""The page: sections in order, through a template that escapes whatever it is given."""

import os
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from app.errors import RunFolderError
from offline.report.gather import RunFacts, gather
from offline.report.numbers import count
from offline.report.sections.bundle import cold_items, compression, making
from offline.report.sections.data import data_quality, graph
from offline.report.sections.figures import exposure, main_figures, slices
from offline.report.sections.learning import behaviours, candidates, learning
from offline.report.verdict import Decision, Verdict, Weight, verdict_of
from offline.run_folder import RunFolder

SECTIONS = (
    main_figures,
    data_quality,
    graph,
    learning,
    candidates,
    slices,
    behaviours,
    compression,
    cold_items,
    exposure,
    making,
)
_MARKS = {Weight.GOOD: "✓ good", Weight.NOTE: "· note", Weight.LOOK: "! look closer", Weight.BAD: "✗ against it"}
_MEANINGS = {
    Decision.PUBLISH: "No rule speaks against it.",
    Decision.LOOK: "The gate of publish lets it through, but look first at what is marked below.",
    Decision.REFUSE: "The gate of publish refuses it, unless it is told why with --force.",
}
_TEMPLATE, _STYLE = "template.html.j2", "style.css"


def write_report(folder: RunFolder) -> Verdict:
    """Write the page of a run, whole or not at all, and return its verdict.

    Raises:
        RunFolderError: nothing was evaluated there, or a file is unreadable.
    """
    facts = gather(folder)
    verdict = verdict_of(facts.evidence())
    beside = folder.path / f".{folder.page.name}.{os.getpid()}"
    beside.write_text(page_of(facts, verdict), encoding="utf-8")
    beside.replace(folder.page)
    return verdict


def remake_report(folder: RunFolder) -> Verdict:
    """`write_report` for a run that nobody is at work in.

    Raises:
        RunFolderError: nothing was evaluated there, somebody is at work, or a file is unreadable.
    """
    if not folder.report.exists():
        raise RunFolderError(f"{folder.path}: expected an evaluated run, found no {folder.report.name}: run it first")
    with folder.locked():
        return write_report(folder)


def page_of(facts: RunFacts, verdict: Verdict) -> str:
    """The page as one text that needs nothing else."""
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
        dataset=facts.document["dataset"],
        told=_told(facts),
        verdict=verdict,
        marks=_MARKS,
        meaning=_MEANINGS[verdict.decision],
        sections=[section(facts) for section in SECTIONS],
        style=Markup(style),  # noqa: S704 - our own file
    )


def _told(facts: RunFacts) -> str:
    """Which bundle the page is about, and what it was measured on."""
    document = facts.document
    report = document["reports"][0]
    return (
        f"Bundle {document['bundle']['version']}, measured on {count(report['n'])} users of the "
        f"{document['dataset'].get('part')} part, cut by {document['dataset'].get('how')}."
    )


def _with_firm_percent(value: Any) -> Any:
    """No line breaks before a percent sign."""
    return re.sub(r"(?<=\d) %", "\u00a0%", value) if type(value) is str else value
