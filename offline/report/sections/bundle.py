"""What the bundle costs and where it came from: compression, cold items, times, versions, settings, commands."""

import shlex
from collections.abc import Sequence
from typing import Any

from offline.report.blocks import Commands, Gallery, Plot, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, duration, figure, interval, is_number, megabytes, number, share
from offline.report.plots import trade_off
from offline.report.sections.student import student_blocks

Document = dict[str, Any]


def compression(facts: RunFacts) -> Section:
    """Size, speed and quality of each variant."""
    title = "Compression"
    entries = [] if facts.manifest is None else facts.manifest.compression
    variants: list[Document] = [entry for entry in entries if "variant" in entry]
    if not variants:
        overlap = next((entry["overlap_at_10"] for entry in entries if "overlap_at_10" in entry), None)
        sentence = "Item vectors are stored in 8 bits; no other variant was tried."
        if overlap is not None:
            sentence += f" Of the network's ten best items {share(overlap)} are among the bundle's ten best."
        return Section("compression", title, [sentence], student_blocks(facts.document.student))
    metric = next((str(entry["metric"]) for entry in variants if entry.get("metric")), "")
    plots = _trade_offs(variants, metric)
    return Section(
        "compression",
        title,
        [
            f"Chosen on validation: the smallest variant that surely loses no more {metric} than was allowed, which is "
            "where the 95 % interval of its loss, over the same users, ends within it."
            if metric
            else "Nobody was there to validate variants on, so that none was measured."
        ],
        [
            _variant_table(variants, metric),
            *([Gallery(plots)] if plots else []),
            *student_blocks(facts.document.student),
        ],
    )


def _variant_table(variants: Sequence[Document], metric: str) -> Table:
    rows = [
        Row(
            [
                f"{index}. {entry['variant']}{' (chosen)' if entry.get('chosen') else ''}",
                number(entry.get("megabytes")),
                number(entry.get("p50_ms")),
                number(entry.get("p99_ms")),
                figure(entry.get("value")),
                share(entry.get("overlap_at_10")),
                str(entry.get("note") or ""),
            ],
            strong=bool(entry.get("chosen")),
        )
        for index, entry in enumerate(variants, start=1)
    ]
    heads = [
        *words("variant"),
        *numbers("size, MB", "p50, ms", "p99, ms", metric or "metric", "overlap@10 with full precision"),
        *words("note"),
    ]
    return Table("Variants of the bundle", heads, rows)


def _trade_offs(variants: Sequence[Document], metric: str) -> list[Plot]:
    """Quality against latency and size, where both were measured."""
    plots = []
    for name, key, unit, cost in (
        ("latency", "p50_ms", "p50 of an answer, ms", "latency"),
        ("size", "megabytes", "size, MB", "size"),
    ):
        points = [
            (str(index), entry[key], entry["value"], bool(entry.get("chosen")))
            for index, entry in enumerate(variants, start=1)
            if is_number(entry.get(key)) and is_number(entry.get("value"))
        ]
        if points:
            caption = (
                f"Quality against {cost}, numbered as in the table; the chosen one is filled. Best is up and to the "
                "left: a variant that lies below and to the right of another is worth nothing."
            )
            plots.append(trade_off(f"trade-{name}", f"{metric} against {cost}", unit, metric, points, caption))
    return plots


def cold_items(facts: RunFacts) -> Section:
    """How items without any event in training are found."""
    title = "Cold items"
    figures = facts.document.cold_items or {}
    if not figures:
        return Section("cold-items", title, ["No items were withheld from training to measure this."])
    rows = [
        Row(["withheld items", count(figures.get("items"))]),
        Row(["targets on them", count(figures.get("targets"))]),
        Row(
            ["HR@10 on withheld items", f"{figure(figures.get('hr@10'))} ({interval(figures.get('ci95'))})"],
            strong=True,
        ),
        *(Row([label, figure(figures[key])]) for key, label in _COMPARED.items() if is_number(figures.get(key))),
    ]
    sentence = "Withheld items are placed by text and attributes alone, as a new item in the shop would be."
    how = f"Withheld: {figures['how']}." if figures.get("how") else ""
    return Section(
        "cold-items",
        title,
        [sentence, *([how] if how else []), *figures.get("notes", [])],
        [Table("How items are found that training did not see (95 % interval)", words("") + numbers("value"), rows)],
    )


_COMPARED = {
    "ranked_among_cold_hr@10": "HR@10 when only withheld items are ranked",
    "seen_in_training_hr@10": "HR@10 of a bundle that was trained on them",
    "popularity_hr@10": "HR@10 of popularity on them",
}


def making(facts: RunFacts) -> Section:
    """Times and memory by stage, versions, seeds, settings, and what to do next."""
    blocks: list[Table | Commands] = [_timings(facts), _origin(facts)]
    settings = next((history.get("settings") for history in facts.curves.values()), None) or {}
    if settings:
        rows = [Row([name.replace("_", " "), _plain(value)]) for name, value in settings.items()]
        blocks.append(Table("Settings of training", words("setting", "value"), rows))
    blocks.append(_commands(facts))
    sentence = (
        "Peak memory is that of the whole process up to the end of a stage; a stage that was done before adds none."
    )
    return Section("making", "Times, versions, settings, commands", [sentence, *_budget(facts)], blocks)


def _budget(facts: RunFacts) -> list[str]:
    """What the budget was, how it was kept to, and what it left undone."""
    budget = (facts.document.timings or {}).get("budget")
    if not budget:
        return []
    kept = (
        f"The budget was {duration(budget.get('seconds'))} for train, compress, rank and refit together, which took "
        f"{duration(budget.get('used_s'))}."
    )
    cuts = [
        f"{stage}: {'; '.join(sentences)}." for stage, sentences in budget.get("cut_short", {}).items() if sentences
    ]
    return [kept, *cuts]


def _timings(facts: RunFacts) -> Table:
    rows = [
        Row([stage, duration(entry.get("seconds")), megabytes(entry.get("peak_memory_mb"))])
        for stage, entry in facts.record.items()
    ]
    seconds = sum(entry.get("seconds", 0.0) for entry in facts.record.values())
    peak = max((entry.get("peak_memory_mb", 0) for entry in facts.record.values()), default=None)
    rows.append(Row(["all", duration(seconds), megabytes(peak)], strong=True))
    return Table("Stages of this run", words("stage") + numbers("time", "peak memory"), rows)


def _origin(facts: RunFacts) -> Table:
    manifest, dataset = facts.manifest, facts.document.dataset
    values: dict[str, Any] = {
        "data set": dataset.name,
        "fingerprint of the data": str(dataset.fingerprint)[:16],
    }
    if manifest is not None:
        shapes = manifest.shapes
        size = sum(entry.bytes for entry in manifest.files.values()) / 1e6
        values |= {
            "measured version": manifest.version,
            "served version": "none" if facts.published is None else facts.published.version,
            "made at": manifest.created_at,
            "size of the bundle": megabytes(size),
            "items, dimensions": f"{count(shapes.answerable)}, {shapes.dim}",
            "users with a stored state": count(shapes.users),
            "events that are read": shapes.window,
            "bits of an item vector's number": manifest.weight_bits,
            "seed": manifest.seed,
            "split": manifest.split,
            "revision of the code": manifest.git_revision or "unknown",
            **{f"version of {name}": version for name, version in manifest.packages.items()},
        }
    return Table("Origin", words("", "value"), [Row([name, str(value)]) for name, value in values.items()])


def _commands(facts: RunFacts) -> Commands:
    bundle, run = shlex.quote(str(facts.path / "bundle")), shlex.quote(str(facts.path))
    return Commands(
        "Publish it, serve it, make this page anew",
        [
            f"aisle-offline publish --bundle {bundle} --redis redis://localhost:6379/0",
            f"aisle-serve --bundle {bundle} --redis redis://localhost:6379/0",
            f"aisle-offline report --out {run}",
        ],
    )


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value) if is_number(value) else str(value)
