"""A commented `dataset.toml` from guesses: every line says why, and what was not found stands as a comment."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from offline.onboarding.guessed import GuessedFolder, GuessedTable, Meaning, Setting
from offline.onboarding.guesses import Guess
from offline.onboarding.views import Link

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+$")
_WIDTH = 36
_LINE = 80  # letters of a line, but for long names
_MOST_UNREAD = 12

_EVENTS: dict[str, str] = {
    "user": "who",
    "visitor": "the device, of who has no id",
    "item": "what",
    "type": "else all are views",
    "time": "when",
    "position": "the order, without times",
    "rating": "low ones are dislikes",
    "query": "what was searched for",
    "session": "which visit it belongs to",
    "split": "train|valid|test|context",
    "price": "what was paid or shown",
    "quantity": "how many",
    "currency": "of the price",
}
_ITEMS: dict[str, str] = {
    "id": "as the events name it",
    "variant_of": "the product of a variant",
    "title": "what search needs most",
    "category": "text, or a path A > B",
    "brand": "who makes it",
    "price": "a number",
    "text": "further texts",
    "attributes": "JSON, lists or values",
    "codes": "SKU, EAN: found by",
    "display": "images, links: returned",
    "in_stock": "a count, true or false",
    "added": "when it came",
}
_USERS: dict[str, str] = {
    "id": "as the events name it",
    "visitor": "of rows without a user",
    "attributes": "what some have in common",
}
_LISTS = ("text", "attributes", "codes", "display")


def toml_of(name: str, guessed: GuessedFolder, unreadable: Sequence[str] = ()) -> str:
    """The text of a `dataset.toml` for a folder of that name."""
    lines = [
        "# Guessed by `aisle-offline init` from the files of this folder. Every line",
        "# says why: correct what is wrong, take the # away where you know better, then",
        "# look at what is left to mend with `aisle-offline check`.",
        f"name = {_text(name)}",
        "",
    ]
    lines += _table("events", guessed.events, _EVENTS, 'path = "events.csv"', "what users did")
    if guessed.events:
        lines += _words(guessed.events.words)
    lines += _table("items", guessed.items, _ITEMS, 'path = "items.csv"', "the catalogue; text search needs it")
    lines += _table("users", guessed.users, _USERS, 'path = "users.csv"', "what is known of users besides events")
    lines += _evaluation(guessed)
    for path, why in guessed.left.items():
        lines += _comment(f"{path}: taken for nothing, and not read{': ' if why else ''}{why}.")
    for line in unreadable:
        lines += _comment(f"not read: {line}")
    return "\n".join(lines).rstrip() + "\n"


def _table(name: str, table: GuessedTable | None, roles: Mapping[str, str], path: str, about: str) -> list[str]:
    if table is None:
        return [*_line(f"# [{name}]", f"not found: {about}"), f"# {path}", ""]
    files = sum(len(group.files) for group in table.view.groups)
    lines = [
        *_line(f"[{name}]", about),
        *_source(table, "; ".join([table.why, _many(files), *table.group.remarks])),
    ]
    for role, meaning in roles.items():
        setting = table.settings.get(role)
        if guess := table.roles.get(role):
            lines += _line(f"{role} = {_role_value(role, guess)}", guess.why)
        elif setting is not None:
            lines += _setting(role, setting)
        else:
            nothing = "[]" if role in _LISTS else '""'
            lines += _line(f"# {role} = {nothing}", f"not found: {meaning}")
    for key, setting in table.settings.items():
        if key not in roles:
            lines += _setting(key, setting)
    return [*lines, *_unread(table.unread), ""]


def _source(table: GuessedTable, why: str) -> list[str]:
    paths = [_text(path) for path in table.group.paths]
    if not table.links:
        value = paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
        lines = _line(f"path = {value}", why)
    else:
        are_long = any(link.group is table.group for link in table.links)
        entries = [*([] if are_long else paths), *(_join(link) for link in table.links)]
        lines = _line("path = [", why)
        for entry in entries:
            lines.append(f"  {entry},")
        lines.append("]")
    if table.view.unnest is not None:
        lines += _line(f"unnest = {_text(table.view.unnest)}", "a list of records in each row: a row each")
    return lines


def _join(link: Link) -> str:
    on = _text(link.ours) if link.ours == link.theirs else f"{{{_key(link.ours)} = {_text(link.theirs)}}}"
    paths = [_text(path) for path in link.group.paths]
    entry = f"{{path = {paths[0] if len(paths) == 1 else '[' + ', '.join(paths) + ']'}, on = {on}"
    if link.pivot is not None:
        entry += f", pivot = {toml_value(list(link.pivot))}"
    if link.newest is not None:
        entry += f", newest = {_text(link.newest)}"
    return entry + "}"


def _setting(key: str, setting: Setting) -> list[str]:
    code = f"{key} = {toml_value(setting.value)}"
    if isinstance(setting.value, Mapping) and len(code) > _LINE - 2:
        lines = [
            line
            for name, value in setting.value.items()
            for line in _line(f"{key}.{_key(name)} = {toml_value(value)}", "")
        ]
        return [*_comment(setting.why), *lines]
    return _line(code if setting.is_sure else f"# {code}", setting.why)


def _unread(unread: Mapping[str, str]) -> list[str]:
    """The columns that are not read, by reason."""
    lines: list[str] = []
    people: dict[str, list[str]] = {}
    others: list[str] = []
    for column, why in unread.items():
        if why.startswith("looks like people's data"):
            people.setdefault(why.partition(": ")[2], []).append(_text(column))
        elif why:
            lines += _comment(f"not read: the column {_text(column)}; {why}")
        else:
            others.append(_text(column))
    if len(others) <= _MOST_UNREAD:
        for column in others:
            lines += _comment(f"not read: the column {column}")
    else:
        lines += _comment(f"not read: the columns {', '.join(others)}")
    for kind, columns in people.items():
        lines += _comment(f"left out: looks like people's data ({kind}): {', '.join(columns)}")
    return lines


def _words(words: Mapping[str, Meaning | None]) -> list[str]:
    if not words:
        return []
    lines = _line("[events.types]", "the shop's own words; rows with any other word are set aside as bad")
    for word, meaning in words.items():
        if meaning is None:
            lines += _line(
                f'# {_key(word)} = "view"', "not known: view, cart, purchase or ignore? Set aside as it stands"
            )
        else:
            lines += _line(f"{_key(word)} = {toml_value(meaning)}", "by the word")
    return [*lines, ""]


def _evaluation(guessed: GuessedFolder) -> list[str]:
    if guessed.queries and guessed.judgments and not guessed.events:
        return [
            *_line("[evaluation]", "how the set is scored"),
            *_line('task = "graded_search"', "queries and graded judgments are there, and no events"),
            f"queries = {_text(guessed.queries.path)}",
            f"judgments = {_text(guessed.judgments.path)}",
            *_line('metrics = ["ndcg@10", "mrr"]', "the usual ones of the task"),
            "",
        ]
    if guessed.events is None:
        return [*_comment("a catalogue alone is scored by queries made of its own words, without [evaluation]"), ""]
    return [
        *_line("[evaluation]", "how the set is scored"),
        *_line('task = "next_item"', "one held-out item a user; or all_items | search | graded_search"),
        *_line('# target_event = "purchase"', "which test events count; all as it stands"),
        *_line('mask = ["seen"]', "hide from the ranking what the user already: seen | purchased | none"),
        *_line('metrics = ["hr@10", "ndcg@10", "mrr"]', "hr@k, recall@k, ndcg@k, mrr@k, map@k"),
        "",
    ]


def _role_value(role: str, guess: Guess) -> str:
    if role in _LISTS:
        return toml_value(list(guess.columns))
    return _text(guess.columns[0]) if len(guess.columns) == 1 else toml_value(list(guess.columns))


def _line(code: str, why: str) -> list[str]:
    """A line of TOML and why: beside it, as far as 80 letters reach, and below; a list too long is broken."""
    code_lines = _broken(code)
    whys = textwrap.wrap(" ".join(why.split()), _LINE - _WIDTH - 3, break_long_words=False, break_on_hyphens=False)
    if len(code_lines) > 1:
        first = f"{code_lines[0]:<{_WIDTH}} # {whys[0]}" if whys else code_lines[0]
        return [first, *(f"{'':<{_WIDTH}} # {line}" for line in whys[1:]), *code_lines[1:]]
    if len(code) > _WIDTH:
        short = " ".join(why.split())
        whole = f"{code} # {short}"
        if len(whole) <= _LINE or not short:
            return [whole if short else code]
        room = textwrap.wrap(short, _LINE - 4, break_long_words=False, break_on_hyphens=False)
        return [*(f"# {line}" for line in room), code]
    if not whys:
        return [code]
    lines = [f"{code:<{_WIDTH}} # {whys[0]}"]
    return [*lines, *(f"{'':<{_WIDTH}} # {line}" for line in whys[1:])]


def _broken(code: str) -> list[str]:
    """A list that is too long for a line, an entry or more a line."""
    key, mark, rest = code.partition(" = [")
    if len(code) <= _LINE - 4 or not mark or not rest.endswith("]") or code.startswith("#"):
        return [code]
    entries = [toml_value(entry) for entry in _entries(f"[{rest}")]
    lines, line = [f"{key} = ["], " "
    for entry in entries:
        if len(line) + len(entry) + 2 > _LINE and line.strip():
            lines.append(line)
            line = " "
        line += f" {entry},"
    return [*lines, line, "]"]


def _entries(text: str) -> list[Any]:
    import tomllib  # noqa: PLC0415 - for lists alone

    entries: list[Any] = tomllib.loads(f"x = {text}")["x"]
    return entries


def _comment(text: str) -> list[str]:
    """Lines of a comment."""
    return [
        f"# {line}"
        for line in textwrap.wrap(
            " ".join(text.split()), _LINE - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    ]


def toml_value(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {toml_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, int | float):
        return repr(value)
    return "[" + ", ".join(toml_value(entry) for entry in value) + "]"


def _key(key: str) -> str:
    return key if _PLAIN_KEY.match(key) else _text(key)


def _many(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _text(value: str) -> str:
    """A text in TOML: as it stands where it has quotes, else with JSON's escapes, which are TOML's."""
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
