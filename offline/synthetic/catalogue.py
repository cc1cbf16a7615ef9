"""The catalogue of a made-up shop: items in categories, of brands, in lines that share a style and a wording."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from offline.synthetic.words import (
    ADJECTIVES,
    BRAND_ENDS,
    BRAND_STARTS,
    CATEGORIES,
    COLOURS,
    MATERIALS,
    SIZES,
    USES,
)

STYLE_DIM = 8
QUERIES_PER_ITEM = 4

_LINE_SIZE = 10
_CHINESE_SHARE = 0.1
_NEW_SHARE = 0.03
_OUT_OF_STOCK_SHARE = 0.06
_SURE_PER_CATEGORY = 4

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Catalogue:
    """`table` is what the shop exports; the rest is what only its maker knows, one entry an item.

    `category` [items], `style` [items, 8], `price` [items], `dearness` [items] (log price above its category's),
    `is_new` [items] (nobody has touched it), `queries` [items * 4] (words that lead to the item), `n_categories`.
    """

    table: pl.DataFrame
    category: Ints
    style: Floats
    price: Floats
    dearness: Floats
    is_new: npt.NDArray[np.bool_]
    queries: pl.Series
    n_categories: int


@dataclass(frozen=True)
class _Parts:
    category: int
    brand: str
    adjective: tuple[str, str]
    material: tuple[str, str]
    colour: tuple[str, str]
    use: tuple[str, str]
    noun: str
    size: str
    model: int
    chinese: bool


def make_catalogue(items: int, rng: np.random.Generator) -> Catalogue:
    """A catalogue of `items` items, at least 20."""
    n_categories = min(len(CATEGORIES), max(2, items // 25))
    sure = np.repeat(np.arange(n_categories), _SURE_PER_CATEGORY)
    weights = rng.dirichlet(np.full(n_categories, 3.0))
    category = np.concatenate([sure, rng.choice(n_categories, size=items - sure.size, p=weights)])
    brand, tier = _brands(category, n_categories, rng)
    line, line_style = _lines(category, n_categories, rng)
    style = line_style[line] + rng.normal(0, 0.25, (items, STYLE_DIM))
    is_new = np.zeros(items, dtype=np.bool_)
    is_new[rng.choice(np.arange(sure.size, items), size=round(items * _NEW_SHARE), replace=False)] = True
    median = np.array([kind.price for kind in CATEGORIES])[category]
    price = np.round(median * tier * np.exp(rng.normal(0, 0.3, items)), 2)
    parts = _wording(category, brand, line, rng)
    table = pl.DataFrame(
        {
            "item_id": pl.Series([f"p{number}" for number in 100_000 + rng.permutation(items)]),
            "title": pl.Series([_title(words) for words in parts]),
            "category": pl.Series([f"{CATEGORIES[c].department} > {CATEGORIES[c].name}" for c in category]),
            "brand": pl.Series(brand),
            "price": pl.Series(price),
            "description": pl.Series([_description(words) for words in parts]),
            "attributes_json": pl.Series([_attributes(words) for words in parts]),
            "in_stock": pl.Series(rng.random(items) >= _OUT_OF_STOCK_SHARE),
        }
    )
    queries = pl.Series("query", [query for words in parts for query in _queries(words)])
    usual = np.bincount(category, np.log(price + 1)) / np.bincount(category)
    return Catalogue(
        table=table,
        category=category,
        style=style,
        price=price,
        dearness=np.log(price + 1) - usual[category],
        is_new=is_new,
        queries=queries,
        n_categories=n_categories,
    )


def _brands(category: Ints, n_categories: int, rng: np.random.Generator) -> tuple[list[str], Floats]:
    """A brand for each item, and what its name adds to the price. A brand keeps to a few neighbouring categories."""
    names = [start + end for start in BRAND_STARTS for end in BRAND_ENDS]
    names = [names[index] for index in rng.permutation(len(names))]
    per_category = min(6, max(2, category.size // n_categories // 8))
    homes = np.array([[(3 * c + k) % len(names) for k in range(per_category)] for c in range(n_categories)])
    share = 0.7 ** np.arange(per_category)
    drawn = homes[category, rng.choice(per_category, size=category.size, p=share / share.sum())]
    tier = np.exp(rng.normal(0, 0.25, len(names)))
    return [names[index] for index in drawn], tier[drawn]


def _lines(category: Ints, n_categories: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """A line of products for each item, about ten items a line, and the style of each line [lines, 8]."""
    sizes = np.bincount(category, minlength=n_categories)
    counts = np.maximum(1, sizes // _LINE_SIZE)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    line = first[category] + (rng.random(category.size) * counts[category]).astype(np.int64)
    return line, rng.normal(0, 1, (int(counts.sum()), STYLE_DIM))


def _wording(category: Ints, brand: list[str], line: Ints, rng: np.random.Generator) -> list[_Parts]:
    """What there is to say about each item. A line has one adjective, material and noun: words tell the style."""
    items = category.size
    lines = int(line.max()) + 1
    adjective = rng.integers(len(ADJECTIVES), size=lines)[line]
    material = rng.integers(len(MATERIALS), size=lines)[line]
    noun = rng.integers(2, size=lines)[line]
    colour = rng.integers(len(COLOURS), size=items)
    use = rng.integers(len(USES), size=items)
    size = rng.integers(len(SIZES), size=items)
    model = rng.integers(100, 1000, size=items)
    chinese = rng.random(items) < _CHINESE_SHARE
    return [
        _Parts(
            category=int(category[n]),
            brand=brand[n],
            adjective=ADJECTIVES[adjective[n]],
            material=MATERIALS[material[n]],
            colour=COLOURS[colour[n]],
            use=USES[use[n]],
            noun=CATEGORIES[category[n]].nouns[noun[n]],
            size=SIZES[size[n]],
            model=int(model[n]),
            chinese=bool(chinese[n]),
        )
        for n in range(items)
    ]


def _title(item: _Parts) -> str:
    if item.chinese:
        return f"{item.brand} {item.adjective[1]}{item.colour[1]}{CATEGORIES[item.category].zh} {item.model}"
    return f"{item.brand} {item.adjective[0]} {item.noun} {item.colour[0]} {item.model}"


def _description(item: _Parts) -> str:
    if item.chinese:
        zh = CATEGORIES[item.category].zh
        return f"{item.brand}{item.adjective[1]}{zh}，{item.material[1]}材质，{item.colour[1]}，适合{item.use[1]}。"
    return (
        f"A {item.adjective[0]} {item.noun} in {item.colour[0]} by {item.brand}, made of {item.material[0]}. "
        f"Good for {item.use[0]}."
    )


def _attributes(item: _Parts) -> str:
    return json.dumps({"colour": item.colour[0], "material": item.material[0], "size": item.size})


def _queries(item: _Parts) -> tuple[str, str, str, str]:
    if item.chinese:
        zh = CATEGORIES[item.category].zh
        return zh, f"{item.brand} {zh}", f"{item.adjective[1]}{zh}", f"{item.colour[1]}{zh}"
    return (
        item.noun,
        f"{item.brand.lower()} {item.noun}",
        f"{item.adjective[0]} {item.noun}",
        f"{item.colour[0]} {item.noun}",
    )
