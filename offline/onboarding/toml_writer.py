"""A commented `dataset.toml` from guesses: every line says why, and what was not found stands as a comment."""

import json
import re
from collections.abc import Mapping, Sequence

from app.artifact.behaviours import Behaviour
from offline.onboarding.guess import Guess, GuessedFolder, GuessedTable

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+$")
_WIDTH = 36

_EVENTS: dict[str, str] = {
    "user": "who: text or whole numbers",
    "visitor": "the device, of rows without a user: a kind of id of its own",
    "item": "what: text or whole numbers",
    "type": "view | cart | purchase; without it every event is a view",
    "time": "unix seconds, milliseconds, or ISO 8601",
    "position": "the order within a user, where there is no clock time",
    "query": "the text that led to the event",
    "session": "which visit the event belongs to",
    "split": "train | valid | test | context; without it the job splits by time",
    "price": "what was paid or shown",
    "quantity": "how many",
    "currency": "of the price",
}
_ITEMS: dict[str, str] = {
    "id": "the same ids as the events'",
    "title": "the item's name, which text search and cold items need",
    "category": 'text, or a path "Electronics > Audio"',
    "brand": "who makes it",
    "price": "a number",
    "text": "further text fields, most important first",
    "attributes": "columns that hold a JSON object, a list, or a scalar",
    "in_stock": "a count, true or false",
    "added": "when it was added: unix seconds, milliseconds, or ISO 8601; the first event counts as it stands",
}
_USERS: dict[str, str] = {
    "id": "the same ids as the events'",
    "visitor": "ids of visitors, of rows without a user",
    "attributes": "what is known of users",
}
_LISTS = ("text", "attributes")


def toml_of(name: str, guessed: GuessedFolder, unreadable: Sequence[str] = ()) -> str:
    """The text of a `dataset.toml` for a folder of that name."""
    lines = [
        "# Guessed by `aisle-offline init` from the files of this folder. Every line says why: correct what is wrong,",
        "# take the # away where you know better, then look at what is left to mend with `aisle-offline check`.",
        f"name = {_text(name)}",
        "",
    ]
    lines += _table("events", guessed.events, _EVENTS, 'path = "events.csv"', "what users did")
    if guessed.events:
        lines += _words(guessed.events.words)
    lines += _table("items", guessed.items, _ITEMS, 'path = "items.csv"', "the catalogue; text search needs it")
    lines += _table("users", guessed.users, _USERS, 'path = "users.csv"', "what is known of users besides events")
    lines += _evaluation(guessed)
    lines += [f"# {path}: taken for nothing, and not read." for path in guessed.left]
    lines += [f"# not read: {' '.join(line.split())}" for line in unreadable]
    return "\n".join(lines).rstrip() + "\n"


def _table(name: str, table: GuessedTable | None, roles: Mapping[str, str], path: str, about: str) -> list[str]:
    if table is None:
        return [f"# [{name}]{' ' * (_WIDTH - len(name) - 4)} # not found: {about}", f"# {path}", ""]
    lines = [
        _line(f"[{name}]", about),
        _line(
            f"path = {_text(table.group.path)}",
            "; ".join([table.why, _many(len(table.group.files)), *table.group.remarks]),
        ),
    ]
    for role, meaning in roles.items():
        if guess := table.roles.get(role):
            lines.append(_line(f"{role} = {_value(role, guess)}", guess.why))
        else:
            nothing = "[]" if role in _LISTS else '""'
            lines.append(_line(f"# {role} = {nothing}", f"not found: {meaning}"))
    for column, why in table.unread.items():
        lines.append(f"# not read: the column {_text(column)}{'; ' if why else ''}{why}")
    return [*lines, ""]


def _words(words: Mapping[str, Behaviour | None]) -> list[str]:
    if not words:
        return []
    lines = [_line("[events.types]", "the shop's own words; rows with any other word are set aside as bad")]
    for word, behaviour in words.items():
        key = word if _PLAIN_KEY.match(word) else _text(word)
        if behaviour is None:
            lines.append(_line(f'# {key} = "view"', "not known: view, cart or purchase? Set aside as it stands"))
        else:
            lines.append(_line(f'{key} = "{behaviour}"', "by the word"))
    return [*lines, ""]


def _evaluation(guessed: GuessedFolder) -> list[str]:
    lines = [_line("[evaluation]", "how the set is scored")]
    if guessed.queries and guessed.judgments and not guessed.events:
        return [
            *lines,
            _line('task = "graded_search"', "queries and graded judgments are there, and no events"),
            f"queries = {_text(guessed.queries.path)}",
            f"judgments = {_text(guessed.judgments.path)}",
            _line('metrics = ["ndcg@10", "mrr"]', "the usual ones of the task"),
            "",
        ]
    return [
        *lines,
        _line('task = "next_item"', "one held-out item a user; or all_items | search | graded_search"),
        _line('# target_event = "purchase"', "which test events count; all as it stands"),
        _line('mask = ["seen"]', "hide from the ranking what the user already: seen | purchased | none"),
        _line('metrics = ["hr@10", "ndcg@10", "mrr"]', "hr@k, recall@k, precision@k, ndcg@k, mrr, mrr@k, map@k"),
        "",
    ]


def _value(role: str, guess: Guess) -> str:
    if role in _LISTS:
        return "[" + ", ".join(_text(column) for column in guess.columns) + "]"
    return _text(guess.columns[0])


def _line(code: str, why: str) -> str:
    return f"{code:<{_WIDTH}} # {' '.join(why.split())}"


def _many(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _text(value: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for the surrogates that ensure_ascii would write."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
