"""Filters worked out the slow way, item by item, in plain Python: what masks, facets and totals are compared with."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Spellings = dict[str, dict[str, str]]
"""Of every text field: the most frequent spelling of each value, by the value without case."""


@dataclass(frozen=True)
class PlainItem:
    """One item as a shop describes it."""

    title: str | None = None
    category: str | None = None
    brand: str | None = None
    description: str | None = None
    price: float | None = None
    in_stock: bool | None = None
    attributes: tuple[str, ...] = field(default=())

    def values(self, name: str, kinds: dict[str, str]) -> list[Any]:
        """The values of a field; the category's levels too."""
        if name == "category":
            parts = [part.strip() for part in (self.category or "").split(">") if part.strip()]
            return [" > ".join(parts[: depth + 1]) for depth in range(len(parts))]
        if name in ("title", "brand", "description", "price", "in_stock"):
            value = getattr(self, name)
            return [] if value is None or value == "" else [value]
        wanted = name.removeprefix("attributes.")
        texts = [told.split("=", 1)[1] for told in self.attributes if told.split("=", 1)[0] == wanted]
        if kinds[name] == "number":
            return [float(text) for text in texts]
        return [text == "true" for text in texts] if kinds[name] == "boolean" else texts


def passes(tree: dict[str, Any], item: PlainItem, kinds: dict[str, str]) -> bool:
    """Whether an item passes.

    Args:
        tree: of the request.
        item: of the catalogue.
        kinds: text, number or boolean of every field.
    """
    match tree:
        case {"all": parts}:
            return all(passes(part, item, kinds) for part in parts)
        case {"any": parts}:
            return any(passes(part, item, kinds) for part in parts)
        case {"not": part}:
            return not passes(part, item, kinds)
    name = tree["field"]
    values = item.values(name, kinds)
    others = {key: wanted for key, wanted in tree.items() if key not in ("field", "exists")}
    if "exists" in tree and bool(values) is not tree["exists"]:
        return False
    return not others or any(
        all(_holds(operator, value, wanted, name, kinds) for operator, wanted in others.items()) for value in values
    )


def spellings_of(items: Iterable[PlainItem], kinds: dict[str, str]) -> Spellings:
    """How each value is shown, with all items of the catalogue: a level of a category begins like the one above."""
    spellings: Spellings = {}
    for name in (name for name, kind in kinds.items() if kind == "text"):
        counts = Counter(value for item in items for value in set(item.values(name, kinds)))
        if name != "category":
            shown = spellings.setdefault(name, {})
            for value in sorted(counts, key=lambda value: (-counts[value], value)):
                shown.setdefault(value.casefold(), value)
            continue
        last: dict[str, Counter[str]] = {}
        for path, count in counts.items():
            last.setdefault(path.casefold(), Counter())[path.rpartition(" > ")[2]] += count
        best = {key: min(names, key=lambda each: (-names[each], each)) for key, names in last.items()}
        parents = {key: key.split(" > ") for key in best}
        spellings[name] = {
            key: " > ".join(best[" > ".join(parts[: depth + 1])] for depth in range(len(parts)))
            for key, parts in parents.items()
        }
    return spellings


def facet_by_hand(
    name: str, counted: list[PlainItem], kinds: dict[str, str], spellings: Spellings, most: int = 100
) -> list[dict[str, Any]]:
    """What a facet says of these items."""
    of_each = [set(item.values(name, kinds)) for item in counted]
    if kinds[name] == "text":
        of_each = [{spellings[name][value.casefold()] for value in values} for values in of_each]
    values = [value for of_item in of_each for value in of_item]
    if kinds[name] == "number":
        return [{"from": min(values), "to": max(values), "count": sum(map(bool, of_each))}] if values else []
    ordered = sorted(Counter(values).items(), key=lambda pair: (-pair[1], str(pair[0]).casefold(), str(pair[0])))
    return [{"value": value, "count": count} for value, count in ordered[:most]]


def _holds(operator: str, value: Any, wanted: Any, name: str, kinds: dict[str, str]) -> bool:
    match operator:
        case "eq":
            return _equal(value, wanted, name, kinds)
        case "in":
            return any(_equal(value, each, name, kinds) for each in wanted)
        case "lt":
            return bool(value < wanted)
        case "lte":
            return bool(value <= wanted)
        case "gt":
            return bool(value > wanted)
        case _:
            return bool(value >= wanted)


def _equal(value: Any, wanted: Any, name: str, kinds: dict[str, str]) -> bool:
    if kinds[name] != "text":
        return bool(value == wanted)
    if name == "category":
        wanted = " > ".join(part.strip() for part in wanted.split(">") if part.strip())
    return bool(value.casefold() == wanted.casefold())
