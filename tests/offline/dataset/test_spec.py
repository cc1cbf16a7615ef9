"""`dataset.toml` is read whole, and each mistake in it is named with its line."""

from pathlib import Path

import pytest

from offline.dataset.event_meaning import Constant, Undo, behaviours_of
from offline.dataset.spec import load_spec
from offline.errors import DatasetError

GOOD = """\
name = "shop"

[events]
path = "events.csv"
user = "who"
[events.types]
detail-page-view = "view"

[items]
path = "items.csv"
text = ["description", "notes"]

[evaluation]
task = "next_item"
mask = ["purchased", "seen"]
metrics = ["hr@10", "mrr"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "events.csv").write_text("who,item_id\n")
    (tmp_path / "items.csv").write_text("item_id\n")
    return tmp_path


def write(folder: Path, toml: str) -> Path:
    path = folder / "dataset.toml"
    path.write_text(toml)
    return path


def test_folder_and_file_give_the_same_spec_with_defaults_filled_in(folder: Path) -> None:
    path = write(folder, GOOD)
    spec = load_spec(folder)
    assert spec == load_spec(path)
    assert spec.root == folder
    assert spec.events is not None
    assert (spec.events.user, spec.events.item, spec.events.time) == ("who", "item_id", "timestamp")
    assert spec.events.types == {"detail-page-view": "view"}
    assert spec.items is not None
    assert spec.items.text == ("description", "notes")
    assert spec.users is None
    assert spec.evaluation.mask == ("purchased", "seen")
    assert spec.evaluation.target_event is None


def test_a_single_word_stands_for_a_list_of_one(folder: Path) -> None:
    write(folder, GOOD.replace('["purchased", "seen"]', '"none"'))
    assert load_spec(folder).evaluation.mask == ("none",)


def test_a_log_says_what_its_rows_and_words_mean(folder: Path) -> None:
    more = 'type = {constant = "purchase"}\nrating = "stars"\nrating_from = 3.5\nrating_implicit = 0\n'
    words = 'remove = {undoes = "cart"}\nnote = "ignore"\n'
    toml = GOOD.replace("[events.types]\n", f"{more}[events.types]\n").replace('"view"\n', f'"view"\n{words}')
    table = load_spec(write(folder, toml)).events
    assert table is not None
    assert (table.type, table.type_column) == (Constant(constant="purchase"), None)
    assert (table.rating, table.rating_from, table.rating_implicit) == ("stars", 3.5, (0,))
    assert table.types == {"detail-page-view": "view", "remove": Undo(undoes="cart"), "note": "ignore"}
    assert behaviours_of(table.types) == {"detail-page-view": "view"}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('user = "who"', 'usr = "who"', 5, ["events.usr", "unknown key 'usr'", "did you mean 'user'"]),
        ('user = "who"', "user = 7", 5, ["events.user", "a valid string", "got 7"]),
        ('user = "who"', 'user = ""', 5, ["events.user", "at least 1 character"]),
        ('= "view"', '= "look"', 7, ["events.types.detail-page-view", "'view', 'cart'", "'look'"]),
        ('= "view"', '= {undoes = "look"}', 7, ["events.types.detail-page-view", "{undoes = 'cart'}", "'look'"]),
        ('= "view"', "= {}", 7, ["events.types.detail-page-view", "'ignore'", "got {}"]),
        ('"who"', '"who"\ntype = {constant = "buy"}', 6, ["events.type:", "{constant = 'view'}", "'buy'"]),
        ('"who"', '"who"\ntype = {column = "view"}', 6, ["events.type:", "the name of a column", "'column'"]),
        ('"who"', '"who"\nrating_from = 4', 6, ["events.rating_from", "rating, the column", "add it"]),
        ('"who"', '"who"\nrating = "stars"\nrating_from = "4"', 7, ["events.rating_from", "number", "'4'"]),
        ('"who"', '"who"\nrating = "stars"\nrating_implicit = [true]', 7, ["events.rating_implicit", "True"]),
        ('text = ["description", "notes"]', "text = [3]", 11, ["items.text", "got 3"]),
        ('"next_item"', '"guess"', 14, ["evaluation.task", "'graded_search'", "'guess'"]),
        ('"purchased", "seen"', '"bought"', 15, ["evaluation.mask", "'purchased'", "'bought'"]),
        ('"hr@10", "mrr"', '"hits@10"', 16, ["evaluation.metrics", "recall@k", "'hits@10'"]),
        ('path = "items.csv"', 'path = "stock.csv"', 10, ["items.path", "'stock.csv'", "got none"]),
        ('path = "items.csv"', 'path = "dataset.toml"', 10, ["items.path", ".parquet", "dataset.toml"]),
        ('path = "events.csv"\n', "", 3, ["events.path", "got none", "add it"]),
        ('text = ["description", "notes"]', 'variant_of = ""', 11, ["items.variant_of", "at least 1 character"]),
        (
            'text = ["description", "notes"]',
            'options = [["a"]]',
            11,
            ["items.options", "pairs of columns", "got ['a']"],
        ),
        ('text = ["description", "notes"]', 'options = ["a", "b"]', 11, ["items.options", "got 'a'"]),
        ('text = ["description", "notes"]', "display = [3]", 11, ["items.display", "got 3"]),
        ('text = ["description", "notes"]', 'text = "x"\ndisplay = "x"', 12, ["items.display", "'x'", "in text too"]),
        ('text = ["description", "notes"]', 'display = ["price"]', 11, ["items.display", "'price'", "rename"]),
        ('text = ["description", "notes"]', 'currency = "euros"', 11, ["items.currency", '"EUR"', "'euros'"]),
        ('text = ["description", "notes"]', "currency = {name = 1}", 11, ["items.currency", "{column = ", "name"]),
        ("[items]", "[item]", 9, ["item", "unknown key 'item'", "did you mean 'items'"]),
        ('name = "shop"', 'name = "shop', 1, ["expected TOML", "correct it"]),
    ],
)
def test_each_mistake_is_named_with_its_file_line_and_key(
    folder: Path, old: str, new: str, line: int, said: list[str]
) -> None:
    assert old in GOOD
    path = write(folder, GOOD.replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        load_spec(folder)
    message = caught.value.message
    assert message.startswith(f"{path}, line {line}")
    for part in said:
        assert part in message


def test_every_mistake_is_said_at_once(folder: Path) -> None:
    write(folder, GOOD.replace('"who"', "1").replace('"next_item"', "2"))
    with pytest.raises(DatasetError) as caught:
        load_spec(folder)
    assert [line.split(", ")[1] for line in caught.value.message.splitlines()] == ["line 5", "line 14"]


def test_a_table_that_is_a_word_is_refused(folder: Path) -> None:
    write(folder, 'name = "shop"\nevents = "events.csv"\n')
    with pytest.raises(DatasetError, match=r"line 2, events: expected a table \[events\]"):
        load_spec(folder)


def test_a_missing_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"dataset\.toml: expected .* got no such file"):
        load_spec(tmp_path / "dataset.toml")


def test_the_currency_is_a_code_or_a_column(folder: Path) -> None:
    for value, expected in (('"eur"', ("EUR", None)), ('{column = "money"}', (None, "money"))):
        write(folder, GOOD.replace('text = ["description", "notes"]', f"currency = {value}"))
        items = load_spec(folder).items
        assert items is not None
        assert items.currency is not None
        assert (items.currency.code, items.currency.column) == expected


def test_a_task_on_events_needs_events(folder: Path) -> None:
    write(folder, 'name = "shop"\n[items]\npath = "items.csv"\n[evaluation]\ntask = "next_item"\n')
    with pytest.raises(DatasetError, match=r"expected a table \[events\], which the task next_item needs"):
        load_spec(folder)
    write(folder, 'name = "shop"\n[users]\npath = "items.csv"\n')
    with pytest.raises(DatasetError, match=r"expected a table \[events\], which the task next_item needs"):
        load_spec(folder)


def test_a_catalogue_alone_is_asked_about_by_its_own_words(folder: Path) -> None:
    write(folder, 'name = "shop"\n[items]\npath = "items.csv"\n')
    assert (load_spec(folder).evaluation.task, load_spec(folder).evaluation.mask) == ("own_words", ("none",))
    write(folder, GOOD.replace('"next_item"', '"own_words"'))
    with pytest.raises(DatasetError, match=r"line 14, evaluation\.task: expected a task that asks about the events"):
        load_spec(folder)


def test_graded_search_needs_a_catalogue_queries_and_judgments_but_no_events(folder: Path) -> None:
    toml = 'name = "shop"\n[items]\npath = "items.csv"\n[evaluation]\ntask = "graded_search"\n'
    toml += 'queries = "q.csv"\n'
    write(folder, toml + 'judgments = "j.csv"\n')
    (folder / "q.csv").write_text("query_id,query\n")
    with pytest.raises(DatasetError, match=r"line 7, evaluation\.judgments"):
        load_spec(folder)
    (folder / "j.csv").write_text("query_id,item_id,relevance\n")
    assert load_spec(folder).evaluation.mask == ("none",)


def test_a_dotted_key_is_found_too(folder: Path) -> None:
    write(folder, 'name = "shop"\nevents.path = "events.csv"\nevents.user = 3\n')
    with pytest.raises(DatasetError, match=r"line 3, events\.user"):
        load_spec(folder)


JOINED = """\
name = "shop"

[events]
path = [
    "events.csv",
    {path = "orders.csv", on = "order_id", columns = ["who"], where = "state != 'cancelled'"},
    {path = ["a.csv", "b-*.csv"], on = {who = "id", shop = "shop"}, pivot = ["name", "value"], newest = "at"},
]
where = 'quantity > 0'
unnest = "lines"
position = ["order_number", "line"]

[items]
path = ["items.csv", {path = "words.csv", on = ["a", "b"]}]
"""


@pytest.fixture
def joined(folder: Path) -> Path:
    for name in ("orders.csv", "a.csv", "b-1.csv", "b-2.csv", "words.csv"):
        (folder / name).write_text("order_id\n")
    return folder


def test_tables_that_join_are_read_with_their_keys(joined: Path) -> None:
    write(joined, JOINED)
    spec = load_spec(joined)
    assert spec.events is not None
    assert spec.items is not None
    assert spec.events.names == ("events.csv",)
    assert spec.events.all_names == ("events.csv", "orders.csv", "a.csv", "b-*.csv")
    orders, properties = spec.events.joins
    assert (orders.path, orders.on, orders.columns) == (("orders.csv",), {"order_id": "order_id"}, ("who",))
    assert properties.on == {"who": "id", "shop": "shop"}
    assert (properties.pivot, properties.newest) == (("name", "value"), "at")
    assert spec.items.joins[0].on == {"a": "a", "b": "b"}
    assert (spec.events.where, spec.events.unnest) == ("quantity > 0", "lines")
    assert spec.events.position == ("order_number", "line")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ('on = "order_id", ', "", 6, ["events.path.on", "the column by which", "add on"]),
        ('on = "order_id"', "on = {}", 6, ["events.path.on", "at least 1 item"]),
        ('on = "order_id"', "on = 3", 6, ["events.path.on", "got 3"]),
        ('on = {who = "id", shop = "shop"}', "by = 3", 7, ["events.path", "unknown key 'by'", "one of path, on"]),
        ('columns = ["who"]', 'column = ["who"]', 6, ["unknown key 'column'", "did you mean 'columns'?"]),
        ("state != 'cancelled'", "state is", 6, ["events.path.where", "missing, or not missing", "nothing more after"]),
        ('pivot = ["name", "value"]', 'pivot = ["name"]', 7, ["events.path.pivot"]),
        ("'quantity > 0'", "'quantity is big'", 9, ["events.where", "got big after 'quantity is'"]),
        ('unnest = "lines"', "unnest = []", 10, ["events.unnest", "got []"]),
        ('["order_number", "line"]', "[]", 11, ["events.position", "at least 1 item"]),
        ("orders.csv", "order.csv", 6, ["events.path", "'order.csv'", "got none"]),
        ("b-*", "c-*", 7, ["events.path", "'c-*.csv'", "got none"]),
        (
            '["items.csv", {path',
            "[{path",
            14,
            ["items.path", "a file whose rows the tables join", "tables to be joined"],
        ),
    ],
)
def test_each_mistake_of_a_table_that_joins_is_named_with_its_line(
    joined: Path, old: str, new: str, line: int, said: list[str]
) -> None:
    assert old in JOINED
    path = write(joined, JOINED.replace(old, new, 1))
    with pytest.raises(DatasetError) as caught:
        load_spec(joined)
    message = caught.value.message
    assert message.startswith(f"{path}, line {line}"), message
    for part in said:
        assert part in message
