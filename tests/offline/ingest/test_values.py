"""Values as people write them, from the files through `check` and `ingest` to the tables."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.ingest.ingest import ingest
from offline.onboarding.check import check

NOW = 1_900_000_000.0
IDS = ["k1", "k2", "k3", "k4"]


def shop(
    folder: Path, events: dict[str, Any] | None = None, items: dict[str, Any] | None = None, more: str = ""
) -> Path:
    """A shop whose events and items have these columns besides the usual ones."""
    folder.mkdir(exist_ok=True)
    log = {
        "user_id": ["u1", "u1", "u2", "u2"],
        "item_id": IDS,
        "event_type": ["view", "cart", "view", "purchase"],
        "timestamp": [str(1_700_000_000 + n) for n in range(4)],
    } | (events or {})
    toml = 'name = "kiosk"\n[events]\npath = "log.csv"\n'
    pl.DataFrame(log).write_csv(folder / "log.csv")
    if items is not None:
        catalogue = {"item_id": IDS[: len(next(iter(items.values())))]} | items
        if any(isinstance(value, list | dict) for values in items.values() for value in values):
            pl.DataFrame(catalogue).write_ndjson(folder / "goods.jsonl")
        else:
            pl.DataFrame(catalogue).write_csv(folder / "goods.csv")
        toml += f'[items]\npath = "goods.{"jsonl" if (folder / "goods.jsonl").exists() else "csv"}"\n'
    (folder / "dataset.toml").write_text(toml + more)
    return folder


def tables(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    ingest(load_spec(folder), folder / "out")
    events, items = (pl.read_parquet(folder / "out" / f"{name}.parquet") for name in ("events", "items"))
    return events, items, json.loads((folder / "out" / "summary.json").read_text())


@pytest.mark.parametrize(
    ("written", "read", "currency"),
    [
        (["1.049,00 €", "€ 7,95", "12 EUR"], [1049.0, 7.95, 12.0], "EUR"),
        (["1,049.00", "7.95", "12"], [1049.0, 7.95, 12.0], None),
        (["1 049,00", "7,95", "2.500"], [1049.0, 7.95, 2500.0], None),
        (["1'049.00", "7.95", "2,500"], [1049.0, 7.95, 2500.0], None),
        (["$1,049", "$2,500", "$12"], [1049.0, 2500.0, 12.0], "USD"),
        (["1.049 kr", "2.500 kr", "12 kr"], [1049.0, 2500.0, 12.0], "SEK"),
        (["12,-", "7,95", "CHF 12.–"], [12.0, 7.95, 12.0], "CHF"),
        (["12.5%", "7%", "n/a"], [12.5, 7.0, None], None),
        (["1.049", "7.955", "12"], [1.049, 7.955, 12.0], None),  # as programs write them: as ever
    ],
)
def test_prices_are_read_by_the_decimal_mark_of_their_column(
    tmp_path: Path, written: list[str], read: list[float | None], currency: str | None
) -> None:
    folder = shop(tmp_path / "s", items={"title": ["a", "b", "c"], "price": written})
    _, items, summary = tables(folder)
    assert items["price"].to_list() == read
    assert items["attributes"].to_list() == [[]] * 3
    assert ("currency" in items.columns) == (currency is not None)
    assert currency is None or items["currency"].to_list() == [currency] * 3
    told = [finding for finding in check(folder, NOW).findings if finding.level == "note"]
    plain = written[0] == "1.049"
    assert [finding.column for finding in told] == ([] if plain else ["price"])
    assert "unreadable_price" not in summary["items"] or summary["items"]["unreadable_price"] == 0


def test_a_price_that_the_column_does_not_tell_is_unreadable_until_the_key_says_it(tmp_path: Path) -> None:
    prices = {"title": ["a", "b", "c"], "price": ["1,049", "7,95", "3.50"]}
    _, items, summary = tables(shop(tmp_path / "a", items=prices))
    assert items["price"].to_list() == [None, 7.95, 3.5]
    assert summary["items"]["unreadable_price"] == 1
    _, items, _ = tables(shop(tmp_path / "b", items=prices, more='decimal = "."\n'))
    assert items["price"].to_list() == [1049.0, 7.95, 3.5]
    _, items, _ = tables(shop(tmp_path / "c", items=prices, more='decimal = ","\n'))
    assert items["price"].to_list() == [1.049, 7.95, 3.5]


def test_several_currencies_are_told_and_negative_prices_are_set_aside(tmp_path: Path) -> None:
    folder = shop(tmp_path / "s", items={"title": list("abcd"), "price": ["$5", "5 GBP", "(5.00)", "5-"]})
    found = check(folder, NOW, max_bad_share=0.6).findings
    assert [f.found for f in found if f.expected == "one currency"] == ["USD and GBP"]
    assert sum(f.expected == "a price of at least 0" for f in found) == 2


def test_odd_prices_far_down_a_log_are_read_as_those_at_its_top(tmp_path: Path) -> None:
    rows = 12_000
    events = {
        "user_id": [f"u{n % 50}" for n in range(rows)],
        "item_id": [f"k{n % 9}" for n in range(rows)],
        "event_type": ["view"] * rows,
        "timestamp": [str(1_700_000_000 + n) for n in range(rows)],
        "price": ["1.250"] * (rows - 1) + ["1.250,75"],
    }
    events_read, _, _ = tables(shop(tmp_path / "s", events))
    assert events_read["price"].unique().sort().to_list() == [1250.0, 1250.75]


@pytest.mark.parametrize(
    ("written", "first", "last"),
    [
        (["3/1/2023 8:26", "3/2/2023 20:05", "3/14/2023", "3/15/2023 9:00"], "2023-03-01T08:26", "2023-03-15T09:00"),
        (["01.03.2023", "02.03.2023 10:00", "03.03.2023", "04.03.2023"], "2023-03-01T00:00", "2023-03-04T00:00"),
        (["2023/03/01", "2023/3/2 10:00:30", "2023/03/03", "2023/03/04"], "2023-03-01T00:00", "2023-03-04T00:00"),
        (["Mar 1, 2023", "March 2nd, 2023 9:15 PM", "3 Mar 2023", "04-Mar-23"], "2023-03-01T00:00", "2023-03-04T00:00"),
        (["1. März 2023", "2 mars 2023", "3 de marzo de 2023", "4. MÄRZ 2023"], "2023-03-01T00:00", "2023-03-04T00:00"),
        (["Wed, 01 Mar 2023 08:00:00 +0200", "2023-03-02", "2023-03-03T01:00:00Z", "2023-03-04 00:30:00 EST"],
         "2023-03-01T06:00", "2023-03-04T05:30"),
        (["20230301", "20230302", "20230303", "20230304"], "2023-03-01T00:00", "2023-03-04T00:00"),
        (["20230301101500", "1677801600", "1677801601", "1677888000000000000"], "2023-03-01T10:15", "2023-03-04T00:00"),
    ],
)  # fmt: skip
def test_times_are_read_as_they_are_written(tmp_path: Path, written: list[str], first: str, last: str) -> None:
    folder = shop(tmp_path / "s", {"timestamp": written})
    events, _, summary = tables(folder)
    times = events["time"].sort().to_list()
    assert [datetime.fromtimestamp(time, UTC).isoformat()[:16] for time in (times[0], times[-1])] == [first, last]
    assert summary["events"]["missing_time"] == 0


def test_an_order_of_day_and_month_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    dates = {"timestamp": ["03/04/2023", "04/03/2023", "01/02/2023", "02/01/2023"]}
    folder = shop(tmp_path / "a", dates)
    errors = [finding for finding in check(folder, NOW).findings if finding.level == "error"]
    assert len(errors) == 1
    assert "day_first" in errors[0].advice
    assert "'03/04/2023'" in errors[0].found
    with pytest.raises(DatasetError, match="day_first = true"):
        ingest(load_spec(folder), folder / "out")
    toml = folder / "dataset.toml"
    for first, day in (("true", "2023-04-03"), ("false", "2023-03-04")):
        toml.write_text(f'name = "kiosk"\n[events]\npath = "log.csv"\nday_first = {first}\n')
        ingest(load_spec(folder), folder / f"out-{first}")
        events = pl.read_parquet(folder / f"out-{first}" / "events.parquet").filter(item_id="k1")
        assert datetime.fromtimestamp(events["time"].item(), UTC).date().isoformat() == day


def test_the_order_of_rows_tells_day_and_month(tmp_path: Path) -> None:
    days = [f"{month}/{day}/2023" for month in (1, 2, 3) for day in (2, 5, 11)]
    columns = {"user_id": ["u"] * 9, "item_id": [f"k{n}" for n in range(9)], "event_type": ["view"] * 9}
    events, _, _ = tables(shop(tmp_path / "s", columns | {"timestamp": days}))
    assert events["item_id"].to_list() == [f"k{n}" for n in range(9)]
    assert datetime.fromtimestamp(events["time"].max(), UTC).date().isoformat() == "2023-03-11"  # type: ignore[arg-type]


def test_words_for_nothing_are_nothing_and_a_user_of_that_name_is_nobody(tmp_path: Path) -> None:
    users = ["u1", "NULL", "(not set)", "None"]
    items = {
        "title": ["Chair", "N/A", "null", "Lamp"],
        "brand": ["Oak & Co", "-", "nan", "None"],
        "price": ["5", "--", "NaN", "7"],
    }
    folder = shop(tmp_path / "s", {"user_id": users}, items)
    events, goods, summary = tables(folder)
    assert events["user_id"].to_list() == ["u1"]
    assert summary["events"]["reasons"] == {"empty user id": 3}
    assert goods["title"].to_list() == ["Chair", None, None, "Lamp"]
    assert goods["brand"].to_list() == ["Oak & Co", None, None, None]
    assert goods["price"].to_list() == [5.0, None, None, 7.0]
    assert check(folder, NOW).errors == 0
    nobody = shop(tmp_path / "n", {"user_id": ["NULL"] * 4})
    assert check(nobody, NOW).errors > 0
    words = shop(tmp_path / "w", {"user_id": users}, items, more='missing = ["?"]\n')
    assert tables(words)[1]["title"].to_list() == ["Chair", "N/A", "null", "Lamp"]


def test_a_name_that_is_a_word_for_nothing_is_told_by_its_column(tmp_path: Path) -> None:
    titles = ["None", "Null Modem", "A pair of None shoes", "Belt by None"]
    _, goods, _ = tables(shop(tmp_path / "s", items={"title": titles, "brand": ["Null", "x", "None", "None"]}))
    assert goods["title"].to_list() == titles
    assert goods["brand"].to_list() == [None, "x", "None", "None"]


def test_what_came_back_is_no_purchase(tmp_path: Path) -> None:
    folder = shop(tmp_path / "s", {"quantity": ["1", "2", "1", "-1"]})
    events, _, summary = tables(folder)
    assert events["item_id"].to_list() == ["k1", "k2", "k3"]
    assert (summary["events"]["reasons"], summary["events"]["undo_without_event"]) == ({}, 1)
    assert check(folder, NOW).errors == 0


def test_ids_of_programs_that_know_no_gaps_are_those_of_the_catalogue(tmp_path: Path) -> None:
    numbers = {"item_id": ["7.0", "12.0", "None", "7.0"]}
    items = {"item_id": ["7", "12"], "title": ["a", "b"]}
    pl.DataFrame(items).write_csv(tmp_path / "goods.csv")
    folder = shop(tmp_path, numbers, more='[items]\npath = "goods.csv"\n')
    (folder / "log.csv").write_text((folder / "log.csv").read_text())
    ingest(load_spec(folder), folder / "out", max_bad_share=0.3)
    assert pl.read_parquet(folder / "out" / "events.parquet")["item_id"].sort().to_list() == ["12", "7", "7"]
    mixed = shop(tmp_path / "m", {"item_id": ["7.0", "007", "1.5", "8.0"]})
    assert tables(mixed)[0]["item_id"].sort().to_list() == ["007", "1.5", "7.0", "8.0"]


def test_one_id_in_two_forms_of_unicode_is_one_id(tmp_path: Path) -> None:
    events, _, summary = tables(
        shop(
            tmp_path / "s",
            {"item_id": ["cafe\u0301", "caf\u00e9", "x", "y"]},
            {"item_id": ["cafe\u0301"], "title": ["c"]},
        )
    )
    assert events.filter(item_id="caf\u00e9").height == 2
    assert summary["events"]["on_items_absent_from_catalogue"] == 2


def test_an_id_that_no_call_takes_is_set_aside(tmp_path: Path) -> None:
    long, longest = "x" * 257, "é" * 256
    folder = shop(
        tmp_path / "s", {"item_id": [long, longest, "x", "y"]}, {"item_id": [long, longest], "title": ["a", "b"]}
    )
    ingest(load_spec(folder), folder / "out", max_bad_share=0.5)
    assert pl.read_parquet(folder / "out" / "items.parquet")["item_id"].to_list() == [longest]
    assert pl.read_parquet(folder / "out" / "events.parquet").height == 3
    told = [finding for finding in check(folder, NOW).findings if "256 characters" in finding.expected]
    assert [finding.table for finding in told] == ["items", "events"]


def test_stock_is_told_in_any_words_and_other_words_are_said(tmp_path: Path) -> None:
    words = ["10+", "In Stock", "outofstock", "https://schema.org/SoldOut", "0", "ja", "3 left", "soon"]
    items = {"item_id": [f"k{n}" for n in range(8)], "title": list("abcdefgh"), "in_stock": words}
    folder = shop(tmp_path / "s", items=items)
    _, goods, _ = tables(folder)
    assert goods["in_stock"].to_list() == [True, True, False, False, False, True, True, None]
    (told,) = (finding for finding in check(folder, NOW).findings if finding.column == "in_stock")
    assert (told.level, told.count) == ("warning", 1)
    assert "'soon'" in told.found


def test_markup_is_read_as_text(tmp_path: Path) -> None:
    items = {
        "title": ["Salt &amp; pepper", "a < b", "Mug"],
        "category": ["Home &gt; Kitchen", "Maths", "Home > Kitchen"],
        "description": [
            "<p>Two<br>mills</p><script>if (a < b) {}</script>",
            "x <y> 3 & 4",
            "&lt;b&gt;Big&lt;/b&gt;",
        ],
    }
    _, goods, _ = tables(shop(tmp_path / "s", items=items))
    assert goods["title"].to_list() == ["Salt & pepper", "a < b", "Mug"]
    assert goods["category"].to_list() == ["Home > Kitchen", "Maths", "Home > Kitchen"]
    assert goods["text"].to_list() == ["Two mills", "x <y> 3 & 4", "Big"]


def test_objects_and_lists_are_read_as_the_prices_and_paths_they_hold(tmp_path: Path) -> None:
    items = {
        "title": ["a", "b"],
        "price": [{"amount": 4.5, "currency": "DKK"}, {"amount": 6.0, "currency": "DKK"}],
        "category": [["Garden", "Tools"], ["Garden > Pots", "Home > Pots"]],
    }
    _, goods, _ = tables(shop(tmp_path / "s", items=items))
    assert goods["price"].to_list() == [4.5, 6.0]
    assert goods["category"].to_list() == ["Garden > Tools", "Garden > Pots\nHome > Pots"]
    assert goods["attributes"].to_list() == [[]] * 2
    assert goods["currency"].to_list() == ["DKK"] * 2
    strange = shop(tmp_path / "x", items={"title": ["a"], "price": [{"net": {"x": 1}}]})
    (error,) = (finding for finding in check(strange, NOW).findings if finding.level == "error")
    assert "a number in the column 'price'" in error.expected


def test_separators_part_lists_and_ids_and_several_categories(tmp_path: Path) -> None:
    items = {
        "title": ["a, b", "c"],
        "genre": ["Drama|Crime", "Drama"],
        "tags": ["new, red", ""],
        "category": ["A > B|C", "A"],
    }
    more = 'attributes = ["genre", "tags"]\nseparators = {genre = "|", tags = ", ", category = "|"}\n'
    folder = shop(tmp_path / "s", {"item_id": ["k1|k2", "k1", "k2", "k1"]}, items, more)
    text = (folder / "dataset.toml").read_text()
    (folder / "dataset.toml").write_text(text.replace('"log.csv"\n', '"log.csv"\nseparators = {item_id = "|"}\n'))
    events, goods, _ = tables(folder)
    assert goods["attributes"].to_list() == [["genre=Drama", "genre=Crime", "tags=new", "tags=red"], ["genre=Drama"]]
    assert goods["title"].to_list() == ["a, b", "c"]
    assert goods["category"].to_list() == ["A > B\nC", "A"]
    assert events["item_id"].sort().to_list() == ["k1", "k1", "k1", "k2", "k2"]
