"""However a shop writes its tables, and into however many it splits them, the events and items are the same."""

import csv
import gzip
import io
import json
import random
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest

Rows = list[dict[str, str]]
TITLES = (
    'Monitor 27" flach',
    "Stuhl, grün",
    "Tisch; groß",
    "Café-Tasse",
    "Vase | blau",
    'Lampe "Größe XL"',
    "Señora's Schal",
    "Krug\nzwei Zeilen",
    "Löffel",
    "",
)
COLOURS = ("rot", "blau", "grün", "")


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    encoding: str
    separator: str
    line_end: str
    quote_all: bool
    order: int  # of its columns
    sep_line: bool
    packed: str  # "", ".gz" or ".zip"
    form: str  # csv or jsonl

    def write(self, folder: Path, stem: str, rows: Rows) -> str:
        """Write rows into `folder`; the name of their file."""
        names = list(rows[0])
        random.Random(self.order).shuffle(names)
        if self.form == "jsonl":
            lines = [json.dumps({name: row[name] for name in names}, ensure_ascii=False) for row in rows]
            name, data = f"{stem}.jsonl", ("\n".join(lines) + "\n").encode()
        else:
            name, data = f"{stem}.csv", self._csv(names, rows)
        if self.packed == ".gz":
            name, data = f"{name}.gz", gzip.compress(data)
        if self.packed == ".zip":
            with zipfile.ZipFile(folder / f"{stem}.zip", "w") as archive:
                archive.writestr(name, data)
            return f"{stem}.zip/{name}"
        (folder / name).write_bytes(data)
        return name

    def _csv(self, names: Sequence[str], rows: Rows) -> bytes:
        out = io.StringIO(newline="")
        quoting = csv.QUOTE_ALL if self.quote_all else csv.QUOTE_MINIMAL
        writer = csv.DictWriter(out, names, delimiter=self.separator, lineterminator=self.line_end, quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
        begin = f"sep={self.separator}{self.line_end}" if self.sep_line else ""
        return (begin + out.getvalue()).encode(self.encoding)


DIALECTS = st.builds(
    Dialect,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    quote_all=st.booleans(),
    order=st.integers(0, 99),
    sep_line=st.booleans(),
    packed=st.sampled_from(["", "", ".gz", ".zip"]),
    form=st.sampled_from(["csv", "csv", "csv", "jsonl"]),
)
SIMPLE = Dialect("utf-8", ",", "\n", quote_all=False, order=0, sep_line=False, packed="", form="csv")


@dataclass(frozen=True)
class Shop:
    """Customers, their orders, the lines of these, and products with properties."""

    customers: Rows
    orders: Rows
    lines: Rows
    products: Rows

    @classmethod
    def make(cls, seed: int) -> "Shop":
        draw = random.Random(seed)
        customers = [{"customer": f"0{n}", "login": f"Jürgen {n}"} for n in range(5)]
        products = [
            {"product": f"p{n}", "name": title, "colour": draw.choice(COLOURS), "price": f"{draw.randint(1, 99)}.50"}
            for n, title in enumerate(TITLES)
        ]
        orders = [
            {"order": f"{n}", "customer": f"0{draw.randint(0, 6)}", "ordered": f"2024-03-{n + 1:02}T10:00:00"}
            for n in range(12)
        ]
        lines = [
            {"order": f"{draw.randint(0, 13)}", "product": f"p{draw.randint(0, 9)}", "line": f"{n}"} for n in range(40)
        ]
        return cls(customers, orders, lines, products)

    def flat(self) -> tuple[Rows, Rows]:
        """The events and the items, each as one table."""
        orders = {row["order"]: row for row in self.orders}
        logins = {row["customer"]: row["login"] for row in self.customers}
        nothing = {"customer": "", "ordered": ""}
        events = [
            {
                **{name: line[name] for name in ("product", "line")},
                "login": logins.get((order := orders.get(line["order"], nothing))["customer"], ""),
                "ordered": order["ordered"],
            }
            for line in self.lines
        ]
        return events, self.products


MAPPING = 'user = "login"\nitem = "product"\ntime = "ordered"\n'
CATALOGUE = 'id = "product"\ntitle = "name"\nprice = "price"\nattributes = ["colour"]\n'


def tables(folder: Path, events: str, items: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    (folder / "dataset.toml").write_text(f'name = "shop"\n[events]\n{events}{MAPPING}[items]\n{items}{CATALOGUE}')
    ingest(load_spec(folder), folder / "out", max_bad_share=1.0)
    return pl.read_parquet(folder / "out" / "events.parquet"), pl.read_parquet(folder / "out" / "items.parquet")


@cache
def plain_tables(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    events, items = Shop.make(seed).flat()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [SIMPLE.write(folder, stem, rows) for stem, rows in (("events", events), ("items", items))]
        return tables(folder, f'path = "{paths[0]}"\n', f'path = "{paths[1]}"\n')


@given(seed=st.integers(0, 3), dialects=st.tuples(DIALECTS, DIALECTS, DIALECTS, DIALECTS, DIALECTS))
@example(seed=0, dialects=(SIMPLE,) * 5)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_dialects_of_joined_tables_mean_what_one_plain_table_means(
    seed: int, dialects: tuple[Dialect, ...]
) -> None:
    shop = Shop.make(seed)
    names = [{key: row[key] for key in ("product", "name")} for row in shop.products]
    long = [
        {"code": row["product"], "key": key, "value": row[key]} for row in shop.products for key in ("colour", "price")
    ]
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        written = zip(
            dialects,
            ("lines", "orders", "customers", "products", "properties"),
            (shop.lines, shop.orders, shop.customers, names, long),
            strict=True,
        )
        lines, orders, customers, products, properties = (
            dialect.write(folder, stem, rows) for dialect, stem, rows in written
        )
        found = tables(
            folder,
            f'path = ["{lines}", {{path = "{orders}", on = "order"}}, {{path = "{customers}", on = "customer"}}]\n',
            f'path = ["{products}", {{path = "{properties}", on = {{product = "code"}}, pivot = ["key", "value"]}}]\n',
        )
    for one, other in zip(found, plain_tables(seed), strict=True):
        assert one.equals(other)
