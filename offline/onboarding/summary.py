"""What init has written, for people to read: each table with its files, roles and further keys, in lines of 80."""

import textwrap

from offline.onboarding.guessed import GuessedTable
from offline.onboarding.toml_writer import toml_value

_LINE = 80
_ROLE = 17  # letters of the widest role, and two
_MOST = 6  # columns of a role


def table_lines(name: str, table: GuessedTable) -> list[str]:
    """A table in words: where its rows come from, what its columns mean, what is left out."""
    paths = ", ".join(table.group.paths)
    others = [link.group.path for link in table.links if link.group is not table.group]
    joined = f"; joined by {', '.join(others)}" if others else ""
    records = f"; a row for each of {table.view.unnest}" if table.view.unnest is not None else ""
    remarks = "".join(f"; {remark}" for remark in table.group.remarks)
    lines = wrapped(f"[{name}] {paths}{joined}{records}{remarks}: {table.why}", "    ")
    for role, guess in table.roles.items():
        more = f" and {len(guess.columns) - _MOST} more" if len(guess.columns) > _MOST else ""
        lines += _entry(role, ", ".join(guess.columns[:_MOST]) + more)
    for key, setting in table.settings.items():
        if setting.is_sure:
            lines += _entry(key, f"{toml_value(setting.value)}: {setting.why}")
    doubtful = [(column, why) for column, why in table.unread.items() if why.startswith("by its name")]
    for column, why in doubtful[:_MOST]:
        lines += _entry("not taken", f"{column}: {why}")
    people = [column for column, why in table.unread.items() if why.startswith("looks like people's data")]
    if people:
        more = f" and {len(people) - _MOST} more" if len(people) > _MOST else ""
        lines += _entry("left out", f"looks like people's data: {', '.join(people[:_MOST])}{more}")
    return lines


def wrapped(text: str, indent: str) -> list[str]:
    """A text in lines of 80 letters, but for long names."""
    return textwrap.wrap(text, _LINE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _entry(role: str, text: str) -> list[str]:
    return wrapped(f"  {role:<{_ROLE}}{text}", " " * (2 + _ROLE))
