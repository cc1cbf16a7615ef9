"""Each kind of file that shops have becomes the table that it means, and each row that it cannot mean is set aside."""

import gzip
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest

from offline.dataset.reading import FILE, find_files, scan
from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.ingest.ingest import ingest
from offline.onboarding.check import Checked, check
from offline.onboarding.init import init
from offline.tables.flaws import FLAW, ROW, Flaw
from offline.tables.lines import line_numbers
from offline.tables.tables import table_of
from offline.tables.temporary import temporary_tables
from offline.tables.unpack import FREE_BYTES

NOW = 1_700_100_000.0
TOML = 'name = "shop"\n[events]\npath = "{}"\nuser = "reader"\nitem = "book"\n'
LOG = [f"r{n % 6},b{n % 9},view,{1_700_000_000 + n}" for n in range(60)]
HEADER = "reader,book,event_type,timestamp"


def rows_of(folder: Path, name: str, data: bytes | str) -> list[tuple[object, ...]]:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    with temporary_tables():
        return read(folder, name).rows()


def read(folder: Path, name: str) -> pl.DataFrame:
    return scan(find_files(folder, [name], "test"), "test").drop(FILE, ROW).collect()


def flaws_of(folder: Path, name: str, data: bytes | str) -> list[tuple[object, object]]:
    """Line and flaw of each row that is set aside."""
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    with temporary_tables():
        frame = scan(find_files(folder, [name], "test"), "test", with_flaws=True).collect()
        bad = frame.filter(pl.col(FLAW).is_not_null()) if FLAW in frame.columns else frame.clear()
        lines = line_numbers(str(folder / name), bad.get_column(ROW))
        return [(lines[row], flaw) for row, flaw in bad.select(ROW, FLAW).rows()] if bad.height else []


def shop(folder: Path, data: bytes | str, name: str = "log.csv") -> Path:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    (folder / "dataset.toml").write_text(TOML.format(name))
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "isbn;title;price\n1;Tea, hot;2,50\n2;Milk;3,00\n"),
        ("a.csv", "isbn\ttitle\tprice\n1\tTea, hot\t2,50\n2\tMilk\t3,00\n"),
        ("a.tsv", "isbn\ttitle\tprice\n1\tTea, hot\t2,50\n2\tMilk\t3,00\n"),
        ("a.txt", "isbn|title|price\n1|Tea, hot|2,50\n2|Milk|3,00\n"),
        ("a.dat", "isbn::title::price\n1::Tea, hot::2,50\n2::Milk::3,00\n"),
        ("a.csv", "sep=;\r\nisbn;title;price\r\n1;Tea, hot;2,50\r\n2;Milk;3,00\r\n"),
        ("a.csv", '\ufeff"isbn";"title";"price"\n"1";"Tea, hot";"2,50"\n"2";"Milk";"3,00"'),
        ("a.csv", 'isbn,title,price,\n1,"Tea, hot","2,50",\n2,Milk,"3,00",\n'),
        ("a.csv", 'isbn,title,price\n1,"Tea, hot","2,50",\n2,Milk,"3,00",,\n'),
        ("a.csv", '# made by a tool\n\nisbn,title,price\n\n1,"Tea, hot","2,50"\n\n2,Milk,"3,00"\n\n\n'),
        ("a.csv", 'isbn,title,price\r1,"Tea, hot","2,50"\r2,Milk,"3,00"\r'),
        ("a.csv", 'isbn,title,price\n1,"Tea, hot","2,50"\nisbn,title,price\n2,Milk,"3,00"\n'),
        ("a.csv", 'isbn, title, price\n1, "Tea, hot", "2,50"\n2, Milk, "3,00"\n'),
        (
            "a.jsonl",
            '{"isbn": "1", "title": "Tea, hot", "price": "2,50"}\n\n{"isbn":"2","title":"Milk","price":"3,00"}',
        ),
        ("a.json", '[{"isbn": "1", "title": "Tea, hot", "price": "2,50"},{"isbn":"2","title":"Milk","price":"3,00"}]'),
        ("a.json", "{'isbn': '1', 'title': 'Tea, hot', 'price': '2,50'}\n{'isbn':'2','title':'Milk','price':'3,00'}\n"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16"])
def test_separators_line_ends_and_headers_are_understood(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    rows = rows_of(tmp_path, name, text.encode(encoding))
    assert [tuple(map(str.strip, map(str, row[:3]))) for row in rows] == [
        ("1", "Tea, hot", "2,50"),
        ("2", "Milk", "3,00"),
    ]


def test_letters_of_other_encodings_are_read_as_they_were_meant(tmp_path: Path) -> None:
    texts = {"cp1252": "Bücher – große Auswahl", "mac_roman": "Bücher für Käufer", "cp1251": "Книги для детей дома"}
    for encoding, text in texts.items():
        filler = [f"{n},plain words {n}" for n in range(3_000)]
        data = "\n".join(["isbn,title", *filler, *(f"x{n},{text}" for n in range(5))]).encode(encoding)
        assert rows_of(tmp_path, f"{encoding}.csv", data)[-1] == ("x4", text), encoding


def test_bytes_of_another_encoding_in_a_file_of_utf8_are_set_aside(tmp_path: Path) -> None:
    rows = [f"{n},Kräuter {n}".encode() for n in range(200)]
    rows[150] = "150,Kräuter".encode("cp1252")
    assert flaws_of(tmp_path, "a.csv", b"isbn,title\n" + b"\n".join(rows)) == [(152, Flaw.NOT_TEXT)]


def test_quotes_that_are_letters_stay_and_those_left_open_swallow_nothing(tmp_path: Path) -> None:
    text = 'isbn,title,size\n1,27" screen,L\n2,"Big" bag,M\n3,"the ""red"" one",S\n4,"open,L\n'
    text += '5,"two\nlines",S\n6,"lost\n7,x,y\n'
    assert rows_of(tmp_path, "a.csv", text) == [
        ("1", '27" screen', "L"),
        ("2", '"Big" bag', "M"),
        ("3", 'the "red" one', "S"),
        ("4", "open", "L"),
        ("5", "two\nlines", "S"),
        ("7", "x", "y"),
    ]
    assert flaws_of(tmp_path, "a.csv", text) == [(8, Flaw.UNCLOSED_QUOTE)]


def test_an_open_quote_far_above_the_next_one_takes_one_row_with_it(tmp_path: Path) -> None:
    rows = [f'{n},title {n},"s, {n}"' if n > 400 else f"{n},title {n},s" for n in range(500)]
    rows[100] = '100,"title 100'
    text = "isbn,title,size\n" + "\n".join(rows)
    assert len(rows_of(tmp_path, "a.csv", text)) == 499
    assert flaws_of(tmp_path, "a.csv", text) == [(102, Flaw.UNCLOSED_QUOTE)]


def test_quotes_escaped_by_backslashes_are_quotes(tmp_path: Path) -> None:
    text = '"isbn";"title"\n"1";"The \\"blue\\" one; new"\n"2";"Plain"\n'
    assert rows_of(tmp_path, "a.csv", text) == [("1", 'The "blue" one; new'), ("2", "Plain")]


def test_ragged_rows_and_zeros_are_set_aside_by_line(tmp_path: Path) -> None:
    rows = [f'{n},"two\nlines",x' if n < 3 else f"{n},t,x" for n in range(100)]
    rows[50], rows[60], rows[70] = "50,t,x,more", "60,t", "70,t\0,x"
    assert flaws_of(tmp_path, "a.csv", "isbn,title,size\n" + "\n".join(rows)) == [
        (55, Flaw.TOO_MANY_CELLS),
        (65, Flaw.TOO_FEW_CELLS),
        (75, Flaw.NUL_BYTES),
    ]


def test_zeros_at_the_end_of_a_file_are_no_row(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "a.csv", b"isbn,title\n1,a\n2,b\n" + b"\0" * 4096) == [("1", "a"), ("2", "b")]


def test_names_that_are_missing_or_come_twice_are_made_up(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,,name,name\n1,2,3,4\n")
    assert read(tmp_path, "a.csv").columns == ["id", "column_2", "name", "name_2"]


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("196;242;3;881250949\n186;302;3;891717742\n", False),
        ('151603,"A long game",purchase,1.0\n151603,"A long game",play,27.0\n', False),
        ("ann,tea,buy\nbob,tea,buy\nann,milk,see\nbob,milk,see\n", False),
        ("2024-01-05,ann,tea\n2024-01-06,bob,milk\n", False),
        ("who,what,when\n1,2,2024-01-05\n", True),
        ("user,2023,2024\n1,5,7\n2,6,8\n", True),
        ("colour,size\nred,L\nblue,M\n", True),
        ("only_names,and_no_rows\n", True),
    ],
)
def test_a_first_row_of_values_is_a_row(tmp_path: Path, text: str, header: bool) -> None:
    table = read_text(tmp_path, text)
    assert table.height == text.count("\n") - header
    assert (table.columns[0] == "column_1") is not header


def read_text(folder: Path, text: str) -> pl.DataFrame:
    (folder / "t.csv").write_text(text)
    with temporary_tables():
        return read(folder, "t.csv")


def test_row_numbers_without_a_name_are_a_column(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "a.csv", '"isbn" "title"\n'.replace(" ", ",") + '"1","a","x"\n"2","b","y"\n') == [
        ("1", "a", "x"),
        ("2", "b", "y"),
    ]


def test_json_that_breaks_off_or_is_none_is_set_aside_by_line(tmp_path: Path) -> None:
    lines = [json.dumps({"isbn": n, "tags": ["a"]}) for n in range(20)]
    lines[5], lines[9], lines[19] = '{"isbn": 5, "ta', "[5]", '{"isbn"'
    assert flaws_of(tmp_path, "a.jsonl", "\n".join(lines)) == [
        (6, Flaw.BROKEN_JSON),
        (10, Flaw.NO_OBJECT),
        (20, Flaw.BROKEN_JSON),
    ]
    document = '{"meta": {"n": 2},\n "books": [\n{"isbn": 1},\n{"isbn": 2},\n{"isb'
    assert rows_of(tmp_path, "b.json", document) == [(1,), (2,)]
    assert flaws_of(tmp_path, "b.json", document) == [(5, Flaw.BROKEN_JSON)]


def test_json_values_of_several_kinds_become_text(tmp_path: Path) -> None:
    lines = ['{"a": 1, "b": [1]}', '{"a": "x", "b": {"c": 2}}', '{"a": 12345678901234567890123, "b": null}']
    assert rows_of(tmp_path, "a.jsonl", "\n".join(lines)) == [
        ("1", "[1]"),
        ("x", '{"c": 2}'),
        ("12345678901234567890123", None),
    ]


def test_archives_are_folders_and_what_is_in_them_is_never_written_by_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as archive:
        archive.writestr("export/events.csv", f"{HEADER}\n" + "\n".join(LOG))
        archive.writestr("export/books.csv", "book,title\nb1,Tea\nb2,Milk\n")
        archive.writestr("../../escaped.csv", "a,b\n1,2\n")
        archive.writestr("__MACOSX/._books.csv", "x")
        archive.writestr("readme.md", "x")
    assert [Path(name).name for name in find_files(tmp_path, ["shop.zip/export/*.csv"], "")] == [
        "books.csv",
        "events.csv",
    ]
    with pytest.raises(DatasetError, match=r"2 tables .*name one, such as"):
        find_files(tmp_path, ["shop.zip"], "dataset.toml")
    assert read(tmp_path, "shop.zip/export/books.csv").rows() == [("b1", "Tea"), ("b2", "Milk")]
    assert not (tmp_path.parent.parent / "escaped.csv").exists()
    spec = TOML.format("shop.zip/export/events.csv") + '[items]\npath = "shop.zip/export/books.csv"\nid = "book"\n'
    (tmp_path / "dataset.toml").write_text(spec)
    summary = ingest(load_spec(tmp_path), tmp_path / "out")
    assert summary["events"]["kept"] == 60  # type: ignore[index]


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" * (1 << 20), 9)
    assert len(packed) < 16_384
    (tmp_path / "a.csv.gz").write_bytes(packed * ((FREE_BYTES >> 22) + 2))
    with pytest.raises(DatasetError, match="when unpacked"):
        read(tmp_path, "a.csv.gz")


def test_workbooks_are_tables_by_sheet(tmp_path: Path) -> None:
    xlsx(tmp_path / "one.xlsx", {"Sheet1": [["isbn", "title", "price"], [1001, "Tea", 2.5], ["007", "Milk", 3]]})
    assert read(tmp_path, "one.xlsx").rows() == [("1001", "Tea", "2.5"), ("007", "Milk", "3")]
    xlsx(tmp_path / "two.xlsx", {"Orders": [["a", "b"], ["1", "2"]], "Empty": [], "Goods": [["c", "d"], ["3", "4"]]})
    assert read(tmp_path, "two.xlsx/Goods").rows() == [("3", "4")]
    with pytest.raises(DatasetError, match="'Orders', 'Goods'"):
        find_files(tmp_path, ["two.xlsx"], "")


def xlsx(path: Path, sheets: dict[str, list[list[object]]]) -> None:
    """A workbook of inline texts and numbers."""
    spread = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    packages = "http://schemas.openxmlformats.org/package/2006"

    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    names = list(sheets)
    with zipfile.ZipFile(path, "w") as book:
        types = "".join(
            f'<Override PartName="/xl/worksheets/s{n}.xml" '
            'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for n in range(len(names))
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{packages}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
            "ContentType="
            f'"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{types}</Types>',
        )
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{packages}/relationships"><Relationship Id="r" Target="xl/workbook.xml" '
            f'Type="{office}/officeDocument"/></Relationships>',
        )
        links = "".join(
            f'<Relationship Id="s{n}" Type="{office}/worksheet" Target="worksheets/s{n}.xml"/>'
            for n in range(len(names))
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{packages}/relationships">{links}</Relationships>'
        )
        parts = "".join(f'<sheet name="{name}" sheetId="{n + 1}" r:id="s{n}"/>' for n, name in enumerate(names))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{spread}" xmlns:r="{office}"><sheets>{parts}</sheets></workbook>'
        )
        for n, name in enumerate(names):
            rows = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in sheets[name])
            book.writestr(
                f"xl/worksheets/s{n}.xml", f'<worksheet xmlns="{spread}"><sheetData>{rows}</sheetData></worksheet>'
            )


def truncated_gz() -> bytes:
    return gzip.compress("\n".join([HEADER, *(f"r{n * 7919},b{n * 31},view,{n}" for n in range(5_000))]).encode())[
        :-3_000
    ]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("log.csv", b"", "an empty file"),
        ("log.csv", b"\n \r\n\n", "an empty file"),
        ("log.jsonl", b"", "an empty file"),
        ("log.csv.gz", truncated_gz(), "breaks off"),
        ("log.csv.gz", b"\x1f\x8b\x08\x00garbage that is no deflate", "damaged bytes"),
        ("log.parquet", b"PAR1 and nothing else", "no whole Parquet file"),
        ("log.csv", b"PK\x03\x04 something", "a ZIP archive or a workbook"),
        ("log.csv", b"<!DOCTYPE html><html>sign in</html>", "a page of HTML"),
        ("log.zip", b"PK\x03\x04 broken", "no whole ZIP archive"),
        ("log.xlsx", b"PK\x03\x04 broken", "no workbook"),
        ("log.json", b"nothing of the kind, secret-row", "no row"),
        ("log.json", b"[]", "no rows"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_by_name_in_one_line(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    shop(tmp_path, data, name)
    errors = [each for each in check(tmp_path, NOW).findings if each.level == "error"]
    assert len(errors) == 1
    assert reason in errors[0].found
    with pytest.raises(DatasetError) as raised:
        ingest(load_spec(tmp_path), tmp_path / "out")
    assert len(raised.value.message.splitlines()) == 1
    assert name in raised.value.message
    assert "secret" not in raised.value.message
    assert not (tmp_path / "out").exists()


def test_a_folder_of_that_name_is_said(tmp_path: Path) -> None:
    (tmp_path / "log.csv").mkdir()
    (tmp_path / "dataset.toml").write_text(TOML.format("log.csv"))
    (finding,) = check(tmp_path, NOW).findings
    assert (finding.level, finding.found) == ("error", "a folder")
    assert finding.advice == "name the files in it, such as log.csv/*.csv"


def test_a_file_without_permission_is_said(tmp_path: Path) -> None:
    shop(tmp_path, "\n".join([HEADER, *LOG]))
    (tmp_path / "log.csv").chmod(0)
    if os.access(tmp_path / "log.csv", os.R_OK):
        pytest.skip("this user may read all")
    (finding,) = (each for each in check(tmp_path, NOW).findings if each.level == "error")
    assert finding.found == "permission denied"


def test_a_bad_row_far_down_is_set_aside_with_its_line_and_counted(tmp_path: Path) -> None:
    rows = [f"r{n % 600},b{n % 90},view,{1_700_000_000 + n}" for n in range(60_000)]
    rows[40_000] += ",surplus"
    shop(tmp_path, "\n".join([HEADER, *rows]))
    summary = ingest(load_spec(tmp_path), tmp_path / "out")
    assert summary["events"]["kept"] == 59_999  # type: ignore[index]
    assert summary["events"]["reasons"] == {"too many cells": 1}  # type: ignore[index]
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet").row(0, named=True)
    assert (rejected["file"], rejected["line"], rejected["reason"]) == (
        str(tmp_path / "log.csv"),
        40_002,
        "too many cells",
    )
    assert "surplus" in rejected["record"]


def test_a_parquet_file_damaged_inside_is_an_error_without_its_rows(tmp_path: Path) -> None:
    table = pl.DataFrame({"reader": [f"secret{n}" for n in range(5_000)], "book": [f"b{n % 9}" for n in range(5_000)]})
    table.write_parquet(tmp_path / "log.parquet", compression="uncompressed")
    data = bytearray((tmp_path / "log.parquet").read_bytes())
    data[4:40] = b"\xff" * 36
    shop(tmp_path, bytes(data), "log.parquet")
    errors = [each for each in check(tmp_path, NOW).findings if each.level == "error"]
    assert [each.found.split(" (")[0] for each in errors] == ["rows that cannot be read"]
    with pytest.raises(DatasetError) as raised:
        ingest(load_spec(tmp_path), tmp_path / "out")
    assert "secret" not in raised.value.message
    (tmp_path / "dataset.toml").unlink()
    with pytest.raises(DatasetError, match=r"log.parquet: rows that cannot be read"):
        init(tmp_path)


@pytest.mark.parametrize("bad", [2, 6])
def test_rows_that_cannot_be_read_count_against_the_share_and_are_not_shown(
    tmp_path: Path, bad: int, offline: Callable[..., CompletedProcess[str]]
) -> None:
    shop(tmp_path, "\n".join([HEADER, *LOG[bad:], *(["r1,b1,view,1700000000,secret-cell"] * bad)]))
    done = offline("check", tmp_path)
    assert done.returncode == (bad > 3)
    assert "log.csv, line" in done.stderr
    assert "5 cells instead of 4" in done.stderr
    assert "secret-cell" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 80
    said = " ".join(done.stderr.split())
    assert ("If you run now, it stops" if bad > 3 else "If you run now, 58 of 60 rows of events will be read") in said


def test_init_says_what_it_understood_and_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(
        "\r\n".join([HEADER.replace(",", ";"), *(row.replace(",", ";") for row in LOG)]).encode("utf-16")
    )
    (tmp_path / "books.xlsx").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "notes.txt").write_text("call the agency, soon; thanks\n")
    done = init(tmp_path)
    toml = (tmp_path / "dataset.toml").read_text()
    assert done.tables["events"].group.remarks == ("separated by semicolons", "encoded in UTF-16")
    unwrapped = " ".join(toml.replace("#", " ").split())
    assert "separated by semicolons; encoded in UTF-16" in unwrapped
    assert [line.split(":")[0] for line in done.unreadable] == ["books.xlsx"]
    assert "# not read: books.xlsx: no workbook that can be read" in toml
    checked = check(tmp_path, NOW)
    assert checked.rows == {"events": 60}
    assert [each.found.split(":")[0] for each in checked.findings if "can be read" in each.expected] == ["books.xlsx"]


def test_a_table_beside_the_toml_that_it_does_not_name_is_said(tmp_path: Path) -> None:
    shop(tmp_path, "\n".join([HEADER, *LOG]))
    (tmp_path / "books.csv").write_text("book;title\nb1;Tea\n")
    (tmp_path / "README.txt").write_text("How to read this: with care, always.\n")
    findings = unread(check(tmp_path, NOW))
    assert findings == [str(tmp_path / "books.csv")]


def test_files_that_hold_tables_in_other_forms_are_named_by_init_and_by_check(tmp_path: Path) -> None:
    shop(tmp_path, "\n".join([HEADER, *LOG]))
    (tmp_path / "dataset.toml").unlink()
    (tmp_path / "feed.XML").write_text("<rss/>")
    (tmp_path / "shop.sqlite").write_bytes(b"SQLite format 3\0")
    (tmp_path / "old.tar.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "books.csv").mkdir()
    (tmp_path / "sales.txt").write_text("user  book  day\n" + "ann   b1    2024-05-01\n" * 6)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    parts = tmp_path / "parts.csv"
    parts.mkdir()
    (parts / "notes.md").write_text("a folder with a file is not empty")
    done = init(tmp_path)
    named = {
        "books.csv": "an empty folder of that name: put the file in its place",
        "feed.XML": "XML, which is not read: save it as .csv",
        "old.tar.gz": "an archive of another kind, which is not read: save it as .csv",
        "shop.sqlite": "a database, which is not read: save it as .csv",
        "sales.txt": "columns with blanks between them: put commas or tabs there",
    }
    assert dict(line.split(": ", 1) for line in done.unreadable) == named
    said = [
        each.found.split(":")[0] for each in check(tmp_path, NOW).findings if each.expected == "files that can be read"
    ]
    assert said == [name for name in named if name != "sales.txt"]


def test_a_folder_without_a_table_is_refused_by_what_lies_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="got an empty folder"):
        init(tmp_path)
    for number in range(8):
        (tmp_path / f"photo{number}.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(DatasetError, match=r"got no table among photo0\.jpg, .*photo5\.jpg and 2 more"):
        init(tmp_path)


def unread(checked: Checked) -> list[str | None]:
    return [each.file for each in checked.findings if each.found.startswith("not named")]


def test_what_is_made_on_the_way_is_deleted_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "a.csv").write_bytes("isbn;title\n1;Bücher\n".encode("cp1252"))
    with temporary_tables():
        assert table_of(str(tmp_path / "a.csv")).frame.collect().height == 1
        assert len(list((tmp_path / "temporary").iterdir())) == 1
    assert list((tmp_path / "temporary").iterdir()) == []
