"""Any way of writing a shop's tables gives the same tables."""

import csv
import gzip
import io
import json
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from hypothesis import given, note, settings
from hypothesis import strategies as st

from offline.dataset.reading import FILE, ROW, find_files, scan
from offline.tables.temporary import temporary_tables

NAMES = ("sku", "name", "maker", "price")
WORDS = {
    "utf-8": ["Stuhl für Köche", "椅子", "Лампа", 'a 27" screen', "a\nb", "x, y", "x; y", "a|b", "tab\there", "007"],
    "cp1252": ["Stuhl für Köche", "Chaîne élégante", 'a 27" screen', "a\nb", "x, y", "x; y", "a|b", "tab\there", "007"],
}


@dataclass(frozen=True)
class Dialect:
    """A way of writing a table."""

    separator: str
    quoting: int
    line_end: str
    encoding: str
    packing: str
    sep_line: bool
    trailing: bool

    def write(self, folder: Path, rows: list[tuple[str, ...]]) -> str:
        out = io.StringIO()
        if self.sep_line:
            out.write(f"sep={self.separator}{self.line_end}")
        writer = csv.writer(out, delimiter=self.separator, quoting=self.quoting, lineterminator=self.line_end)
        more = ("",) if self.trailing else ()
        writer.writerows([(*NAMES, *more), *((*row, *more) for row in rows)])
        data = out.getvalue().encode(self.encoding)
        match self.packing:
            case "gz":
                (folder / "items.csv.gz").write_bytes(gzip.compress(data))
                return "items.csv.gz"
            case "zip":
                with zipfile.ZipFile(folder / "shop.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr("export/items.csv", data)
                return "shop.zip"
            case ending:
                (folder / f"items{ending}").write_bytes(data)
                return f"items{ending}"


DIALECTS = st.builds(
    Dialect,
    separator=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    packing=st.sampled_from([".csv", ".txt", ".dat", ".tsv", "gz", "zip"]),
    sep_line=st.booleans(),
    trailing=st.booleans(),
)


@st.composite
def shops(draw: st.DrawFn) -> tuple[Dialect, list[tuple[str, ...]]]:
    dialect = draw(DIALECTS)
    words = st.sampled_from(WORDS["cp1252" if dialect.encoding == "cp1252" else "utf-8"])
    count = draw(st.integers(3, 30))
    rows = [
        (f"p{number}", draw(words), draw(words | st.just("")), f"{draw(st.integers(1, 999))}.50")
        for number in range(count)
    ]
    return dialect, rows


def read(folder: Path, name: str) -> pl.DataFrame:
    with temporary_tables():
        return scan(find_files(folder, [name], "test"), "test").drop(FILE, ROW).collect()


@settings(max_examples=60, deadline=None)
@given(shops())
def test_any_dialect_gives_the_same_table(shop: tuple[Dialect, list[tuple[str, ...]]]) -> None:
    dialect, rows = shop
    note(f"{dialect} {rows}")
    with tempfile.TemporaryDirectory() as folder:
        table = read(Path(folder), dialect.write(Path(folder), rows))
    expected = [tuple(cell or None for cell in row) for row in rows]
    got = table.select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in NAMES)
    assert got.rows() == expected


@settings(max_examples=20, deadline=None)
@given(
    shops(), st.sampled_from(["lines", "array", "inside", "pretty"]), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"])
)
def test_any_json_gives_the_same_table(shop: tuple[Dialect, list[tuple[str, ...]]], form: str, encoding: str) -> None:
    objects = [dict(zip(NAMES, (cell or None for cell in row), strict=True)) for row in shop[1]]
    match form:
        case "lines":
            name, text = "items.jsonl", "\n".join(map(json.dumps, objects))
        case "array":
            name, text = "items.json", json.dumps(objects)
        case "inside":
            name, text = "items.json", json.dumps({"total": 3, "data": {"ids": [1, 2], "products": objects}, "x": {}})
        case _:
            name, text = "items.json", json.dumps(objects, indent=2, ensure_ascii=False)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(text.encode(encoding))
        table = read(Path(folder), name)
    assert table.select(name for name in NAMES if name in table.columns).to_dicts() == [
        {name: value for name, value in row.items() if name in table.columns} for row in objects
    ]
