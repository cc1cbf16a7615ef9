"""The findings of a check as people read them: by kind, with an example, and a sentence on what will happen."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.onboarding.findings import Finding, errors_of

_MOST_LINES = 8
_CATALOGUE_ALONE = (
    "Without events it learns from the catalogue alone: what comes of it searches, completes and shows similar items, "
    "and recommends by what a visitor looks at from then on."
)


@dataclass
class _Group:
    """Findings of one kind in one file; the first stands for them."""

    findings: list[Finding]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def count(self) -> int:
        return max([len(self.findings), *(finding.count for finding in self.findings)])


def readable(findings: Iterable[Finding], root: Path, width: int) -> list[str]:
    """Lines of at most `width` letters, but for long names: errors first, each kind once with its first value.

    Files are named relative to `root`, where they are below it.
    """
    lines: list[str] = []
    for group in _groups(findings):
        first = group.first
        value = first.found + (f" (column {first.column})" if first.column else "")
        lines += _wrapped(f"{first.level}: {_place(first, root)}: {value}", width, "  ")
        if first.row is not None and group.count > 1:
            lines += _wrapped(f"  {group.count:,} rows of this kind{_further(group)}", width, "  ")
        lines += _wrapped(f"  expected {first.expected}: {first.advice}", width, "    ")
    return lines


def tally(findings: Sequence[Finding]) -> str:
    """How many kinds of errors and warnings there are, as `readable` shows them."""
    errors, warnings = (
        len(_groups(finding for finding in findings if finding.level == level)) for level in ("error", "warning")
    )
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}."


def outlook(
    findings: Sequence[Finding], rows: Mapping[str, int], data: Path, left_out: Mapping[str, int] | None = None
) -> str:
    """What will happen if the data set is run now, in a sentence or two; `left_out`: rows neither read nor bad."""
    errors = errors_of(findings)
    bad = dict.fromkeys(rows, 0)
    for group in _groups(findings):
        if group.first.row is not None:
            bad[group.first.table] = bad.get(group.first.table, 0) + group.count
    if errors:
        kinds = len(_groups(errors))
        what = "the error" if kinds == 1 else f"the {kinds} errors"
        return f"If you run now, it stops and trains nothing: mend {what} above, then check again."
    taken = [
        f"{count - bad[table]:,} of {count:,} rows of {table}" if bad[table] else f"all {count:,} rows of {table}"
        for table, count in rows.items()
    ]
    aside = sum(bad.values())
    rest = f"; {aside:,} {'is' if aside == 1 else 'are'} set aside (rejected.parquet)" if aside else ""
    more = [f"{count:,} more of {table}" for table, count in (left_out or {}).items() if count]
    others = f"; {_together(more)} {'is' if sum((left_out or {}).values()) == 1 else 'are'} left out" if more else ""
    alone = f" {_CATALOGUE_ALONE}" if "items" in rows and "events" not in rows else ""
    return (
        f"If you run now, {_together(taken) or 'nothing'} will be read{rest}{others}.{alone} "
        f"Next: aisle-offline run --data {data} --out runs/NAME"
    )


def _groups(findings: Iterable[Finding]) -> list[_Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    for number, finding in enumerate(findings):
        kind = (finding.level, finding.table, finding.file, finding.column, finding.expected, finding.advice)
        key = kind if finding.row is not None else (number,)
        groups.setdefault(key, _Group([])).findings.append(finding)
    return list(groups.values())


def _place(finding: Finding, root: Path) -> str:
    if finding.file is None:
        return f"[{finding.table}]"
    file = finding.file.replace(f"{root}/", "").replace(f"{root.resolve()}/", "")
    if finding.line is not None:
        return f"{file}, line {finding.line}"
    return file if finding.row is None else f"{file}, row {finding.row}"


def _further(group: _Group) -> str:
    lines = [finding.line for finding in group.findings if finding.line is not None][:_MOST_LINES]
    if not lines:
        return ""
    more = ", ..." if group.count > len(lines) else ""
    return f": lines {', '.join(f'{line}' for line in lines)}{more}"


def _together(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()) if not text.startswith(" ") else text,
        width,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
