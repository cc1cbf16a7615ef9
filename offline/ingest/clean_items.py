"""The catalogue as a shop exports it, brought to one form: one row an item, its texts and attributes gathered."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from app.artifact.ids import MAX_ID
from offline.dataset.ids import too_long
from offline.dataset.open_source import open_source
from offline.dataset.people import has_mails, hide_mails, person_column
from offline.dataset.reading import FILE, ROW, ColumnRequest
from offline.dataset.spec import DatasetSpec, ItemsSpec, UsersSpec, missing_words
from offline.ingest import rejects
from offline.ingest.attributes import attribute_lists
from offline.ingest.item_columns import ColumnReader
from offline.ingest.rejects import REASON, Reason
from offline.ingest.survey_events import HIDDEN
from offline.ingest.variants import VARIANTS, option_lists, roll_up, shared_variants

ITEMS_SCHEMA = pl.Schema(
    {
        "item_id": pl.String(),
        "title": pl.String(),
        "category": pl.String(),
        "brand": pl.String(),
        "price": pl.Float64(),
        "in_stock": pl.Boolean(),
        "added": pl.Float64(),
        "text": pl.String(),
        "attributes": pl.List(pl.String),
    }
)
DISPLAY: Final = "display."
"""Before the name of each column that is answered as it is: a value in JSON. Only where a catalogue has them, as the
columns `currency` and `variants`."""
CODES: Final = "codes"
"""The column of an item's codes besides its id, a list; where the data set names columns of codes."""
PLACE: Final = "place"
"""The column of an item's place in the files, from 0, of a catalogue without events."""
USERS_SCHEMA = pl.Schema({"user_id": pl.String(), "attributes": pl.List(pl.String)})

_PERSON = ("id", "visitor")  # whose row it is
_SINGLE = ("id", "title", "category", "brand", "price", "in_stock", "added")


@dataclass(frozen=True)
class CleanRows:
    """The good rows sorted by id, the rows set aside, and what was counted on the way."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    counts: dict[str, object]


def item_requests(spec: DatasetSpec, table: ItemsSpec) -> list[ColumnRequest]:
    """The columns of `[items]`: the id, or the product, and each column that the TOML names itself, must be there."""
    place, named = spec.toml.location, table.model_fields_set
    requests = [
        ColumnRequest(
            role,
            getattr(table, role),
            place("items", role),
            role in named or (role == "id" and table.variant_of is None),
        )
        for role in _SINGLE
    ]
    if table.variant_of is not None:
        requests.append(ColumnRequest("variant_of", table.variant_of, place("items", "variant_of"), required=True))
    if table.currency is not None and table.currency.column is not None:
        requests.append(ColumnRequest("currency", table.currency.column, place("items", "currency"), required=True))
    requests += [
        ColumnRequest(f"{role}.{column}", column, place("items", role), role in named)
        for role in ("text", "attributes", "codes", "display")
        for column in getattr(table, role)
        if role != "attributes" or column not in table.codes
    ]
    for index, pair in enumerate(table.options):
        for part, column in zip(("name", "value"), pair, strict=True):
            requests.append(ColumnRequest(f"option.{index}.{part}", column, place("items", "options"), required=True))
    return requests


def user_requests(spec: DatasetSpec, table: UsersSpec) -> list[ColumnRequest]:
    """The columns of `[users]`: user or visitor, and each column that the TOML names itself, must be there."""
    location = spec.toml.location("users", "attributes")
    named = "attributes" in table.model_fields_set
    ids = (("id", table.id_column, table.needs_id), ("visitor", table.visitor, True))
    return [
        *(
            ColumnRequest(role, column, spec.toml.location("users", role), required)
            for role, column, required in ids
            if column is not None
        ),
        *(ColumnRequest(f"attributes.{column}", column, location, named) for column in table.attributes),
    ]


def clean_items(spec: DatasetSpec, table: ItemsSpec, max_bad_share: float) -> CleanRows:
    """Read and clean `[items]`. Of several rows with one id the first is kept; variants of a product are one item.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("items", "path")
    source = open_source(spec, "items")
    files = source.files
    raw, facts = source.read(item_requests(spec, table))
    for role in _SINGLE:
        if role not in raw.columns:
            raw = raw.with_columns(pl.lit(None, pl.String).alias(role))
    place = spec.toml.location
    reader = ColumnReader(raw, missing_words(table), {role: getattr(table, role) for role in _SINGLE})
    title = reader.names("title")
    price = reader.price("price", table.decimal, place("items", "price"))
    own = reader.ids()
    ids = own if table.variant_of is None else _products(reader, own)
    columns = [
        ids,
        title,
        reader.categories("category", table.separators.get(table.category)),
        reader.names("brand", context=title),
        price,
        reader.stock("in_stock"),
        reader.times("added", place("items", "added"), day_first=table.day_first),
        _attributes(reader, table, ids),
        *_currency(reader, table),
        *_codes(reader),
        *(reader.shown(role, table.separators.get(role.removeprefix(DISPLAY))) for role in _roles(raw, DISPLAY)),
    ]
    texts = _texts(reader)
    schema = dict(ITEMS_SCHEMA) | {column.name: column.dtype for column in columns[len(ITEMS_SCHEMA) - 1 :]}
    rows = raw.select(ROW, FILE).with_columns(*columns, *texts)
    if spec.events is None:
        rows = rows.with_row_index(PLACE)
        schema[PLACE] = pl.UInt32()
    long = too_long(ids, MAX_ID)
    if table.variant_of is not None:
        rows = rows.with_columns(own.alias("variant"))
        long = long | too_long(own, MAX_ID)
        schema[VARIANTS] = pl.List(pl.String)
    rows = rows.with_columns(
        pl.when(pl.lit(long.fill_null(value=False)))
        .then(pl.lit(Reason.LONG_ID.value))
        .when(pl.lit(ids.is_null()))
        .then(pl.lit(Reason.EMPTY_ITEM.value))
        .when(pl.lit(price < 0))
        .then(pl.lit(Reason.NEGATIVE_PRICE.value))
        .alias(REASON),
    )

    def one_row_an_item(good: pl.DataFrame) -> pl.DataFrame:
        merged = _first_of_id(good) if table.variant_of is None else _merge(good, reader, table)
        return merged.with_columns(_joined_text([column.name for column in texts])).with_columns(*_composed())

    return _clean_rows(
        rows,
        raw,
        files=files,
        location=location,
        max_bad_share=max_bad_share,
        schema=pl.Schema(schema),
        further_counts={
            "unreadable_price": reader.odd.get("price", (0, ""))[0],
            "unreadable_added": reader.odd.get("added", (0, ""))[0],
            **facts.counts(),
        },
        reader=reader,
        one_row_an_id=one_row_an_item,
    )


def clean_users(spec: DatasetSpec, table: UsersSpec, max_bad_share: float) -> CleanRows:
    """Read and clean `[users]`. Of several rows with one id the first is kept.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("users", "path")
    source = open_source(spec, "users")
    files = source.files
    raw, facts = source.read(user_requests(spec, table))
    reader = ColumnReader(raw, missing_words(table), {role: getattr(table, role) for role in _PERSON})
    none = pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    ids = [hide_mails(reader.ids(role)) if role in raw.columns else none.alias(role) for role in _PERSON]
    if "id" in raw.columns and has_mails(raw.lazy(), "id"):
        reader.read_as["id"] = HIDDEN
    rows = raw.select(ROW, FILE).with_columns(
        pl.DataFrame(ids).select(person_column(pl.col("id"), pl.col("visitor")).alias("id")).to_series(),
        _attributes(reader, table),
    )
    rows = rows.with_columns(
        pl.when(pl.lit(too_long(ids[0], MAX_ID)) | pl.lit(too_long(ids[1], MAX_ID)))
        .then(pl.lit(Reason.LONG_ID.value))
        .when(pl.col("id").is_null())
        .then(pl.lit(Reason.EMPTY_USER.value))
        .alias(REASON)
    )
    return _clean_rows(
        rows,
        raw,
        files=files,
        location=location,
        max_bad_share=max_bad_share,
        schema=USERS_SCHEMA,
        further_counts=facts.counts(),
        reader=reader,
    )


def _first_of_id(good: pl.DataFrame) -> pl.DataFrame:
    return good.unique("id", keep="first", maintain_order=True)


def _clean_rows(
    rows: pl.DataFrame,
    raw: pl.DataFrame,
    *,
    files: tuple[str, ...],
    location: str,
    max_bad_share: float,
    schema: pl.Schema,
    further_counts: dict[str, object],
    reader: ColumnReader,
    one_row_an_id: Callable[[pl.DataFrame], pl.DataFrame] = _first_of_id,
) -> CleanRows:
    rows = rejects.flaws_first(rows, raw)
    rejected = rejects.rejected_rows(rows, raw, files)
    reasons = Counter(rejected.get_column(REASON).to_list())
    rejects.refuse_too_many(reasons, next(rejected.iter_rows(named=True), None), raw.height, max_bad_share, location)
    good = rows.filter(pl.col(REASON).is_null())
    unique = one_row_an_id(good)
    counts: dict[str, object] = {
        "read": raw.height,
        "kept": unique.height,
        "duplicates": 0 if VARIANTS in schema else good.height - unique.height,
        "rejected": rejected.height,
        "reasons": rejects.count_reasons(reasons),
        **further_counts,
        **_understood(reader),
    }
    ids = next(iter(schema))
    return CleanRows(unique.rename({"id": ids}).select(schema.names()).cast(schema).sort(ids), rejected, counts)


def _understood(reader: ColumnReader) -> dict[str, object]:
    """What was read otherwise than it is written, and what was not understood, where there is any."""
    understood: dict[str, object] = {}
    if reader.read_as:
        understood["read_as"] = reader.read_as
    if reader.odd:
        understood["not_understood"] = {role: list(pair) for role, pair in reader.odd.items()}
    return understood


def _products(reader: ColumnReader, own: pl.Series) -> pl.Series:
    """What each row is a variant of, by its column, else the row itself by its `own` id."""
    products = reader.ids("variant_of")
    return pl.select(pl.coalesce(products, own).alias("id")).to_series()


def _merge(good: pl.DataFrame, reader: ColumnReader, table: ItemsSpec) -> pl.DataFrame:
    """The products of the good rows; `reader` learns what to tell of them."""
    products = roll_up(good)
    reader.read_as["variant_of"] = f"{good.height} rows of {products.height} products by {table.variant_of!r}"
    if len(shared := shared_variants(good)):
        reader.odd["variant"] = (len(shared), repr(shared[0]))
    return products


def _roles(raw: pl.DataFrame, start: str) -> list[str]:
    return [role for role in raw.columns if role.startswith(start)]


def _attributes(reader: ColumnReader, table: ItemsSpec | UsersSpec, products: pl.Series | None = None) -> pl.Series:
    """The attributes of each row; the name of an option is that of its product's first row that has one."""
    columns = [
        (role, role.removeprefix(start)) for start in ("attributes.", "codes.") for role in _roles(reader.raw, start)
    ]
    read = reader.raw.select(ROW).with_columns(
        reader.attribute(role, table.separators.get(name)) for role, name in columns
    )
    attributes = attribute_lists(read, columns)
    if products is None or not isinstance(table, ItemsSpec) or not table.options:
        return attributes
    options = []
    for index, (_, column) in enumerate(table.options):
        names = reader.texts(f"option.{index}.name").to_frame("name").with_columns(products.alias("id"))
        names = names.select(pl.coalesce("name", pl.col("name").drop_nulls().first().over("id")))
        values = reader.attribute(f"option.{index}.value", table.separators.get(column))
        options.append((names.to_series(), values.to_list()))
    parts = pl.DataFrame([attributes, option_lists(options)])
    return parts.select(pl.concat_list(pl.all()).list.unique(maintain_order=True).alias("attributes")).to_series()


def _codes(reader: ColumnReader) -> list[pl.Series]:
    """The codes of each row, where there are columns of codes."""
    values = [reader.texts(role).str.strip_chars() for role in _roles(reader.raw, "codes.")]
    if not values:
        return []
    lists = pl.DataFrame(values).select(pl.concat_list(pl.all()).list.drop_nulls().list.unique(maintain_order=True))
    return [lists.to_series().alias(CODES)]


def _currency(reader: ColumnReader, table: ItemsSpec) -> list[pl.Series]:
    """The code of the currency of each row, where it is known of any."""
    if table.currency is not None and table.currency.column is not None:
        return [reader.currencies("currency")]
    code = reader.currency if table.currency is None else table.currency.code
    if code is None:
        return []
    return [pl.repeat(code, reader.raw.height, dtype=pl.String, eager=True).alias("currency")]


def _composed() -> list[pl.Expr]:
    """Texts and attributes in Unicode's form NFC: the same letters are the same value, however they were typed."""
    texts = [pl.col(name).str.normalize("NFC") for name in ("title", "category", "brand", "text")]
    return [*texts, pl.col("attributes").list.eval(pl.element().str.normalize("NFC"))]


def _texts(reader: ColumnReader) -> list[pl.Series]:
    """The columns of text, in the order that the TOML gives them."""
    return [reader.prose(role) for role in _roles(reader.raw, "text.")]


def _joined_text(columns: list[str]) -> pl.Expr:
    """The fields of text of each row, one a line."""
    if not columns:
        return pl.lit("").alias("text")
    return pl.concat_str(columns, separator="\n", ignore_nulls=True).alias("text")
