"""The page of a run: its verdict and its sections, in order."""

from offline.errors import RunFolderError
from offline.report.findings import Decision, Verdict, scored_ones
from offline.report.gather import RunFacts, gather
from offline.report.numbers import count
from offline.report.page import Head, html_of
from offline.report.sections.bundle import cold_items, compression, making
from offline.report.sections.data import data_quality, graph
from offline.report.sections.figures import exposure, main_figures, slices
from offline.report.sections.learning import behaviours, candidates, learning
from offline.report.sections.live import live
from offline.report.sections.served import served
from offline.report.sections.synonyms import synonyms
from offline.report.verdict import verdict_of
from offline.workspace.atomic import atomic_file
from offline.workspace.run_folder import RunFolder

SECTIONS = (
    main_figures,
    served,
    live,
    data_quality,
    graph,
    learning,
    candidates,
    slices,
    behaviours,
    compression,
    cold_items,
    exposure,
    synonyms,
    making,
)
_MEANINGS = {
    Decision.PUBLISH: "No rule speaks against it.",
    Decision.LOOK: "The gate of publish lets it through, but look first at what is marked below.",
    Decision.REFUSE: "The gate of publish refuses it, unless it is told why with --force.",
}


def write_report(folder: RunFolder) -> Verdict:
    """Write the page of a run, whole or not at all, and return its verdict.

    Raises:
        RunFolderError: nothing was evaluated there, or a file is unreadable.
    """
    facts = gather(folder)
    verdict = verdict_of(facts.evidence())
    with atomic_file(folder.page) as temporary:
        temporary.write_text(page_of(facts, verdict), encoding="utf-8")
    return verdict


def remake_report(folder: RunFolder) -> Verdict:
    """`write_report` for a run that nobody is at work in.

    Raises:
        RunFolderError: nothing was evaluated there, somebody is at work, or a file is unreadable.
    """
    if not folder.report.exists():
        raise RunFolderError(f"{folder.path}: expected an evaluated run, got no {folder.report.name}: run it first")
    with folder.locked():
        return write_report(folder)


def page_of(facts: RunFacts, verdict: Verdict) -> str:
    """The page as one text that needs nothing else."""
    name = str(facts.document.dataset.name)
    head = Head(
        title=f"{verdict.decision}: {name}",
        name=name,
        subject=_subject(facts),
        kind="Verdict",
        heading=verdict.decision.capitalize(),
        meaning=_MEANINGS[verdict.decision],
        findings=verdict.findings,
        look=verdict.decision.replace(" ", "-"),
    )
    return html_of(head, [section(facts) for section in SECTIONS])


def _subject(facts: RunFacts) -> str:
    """Which bundle the page is about, and what it was measured on."""
    document = facts.document
    counts, dataset = document.first_report.counts, document.dataset
    return (
        f"Bundle {document.bundle.version}, measured on {count(counts.get('n'))} {scored_ones(document)} of the "
        f"{dataset.part} part, cut by {dataset.how}."
    )
