"""Split: ingested tables are numbered and cut into train, valid, context and test. Nothing else cuts.

No row of test, valid or context adds an item to the vocabulary, moves a row of train or changes a draw.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl

from app.artifact.behaviours import BEHAVIOUR_NAMES, BEHAVIOURS
from offline.dataset.absent import mark_absent
from offline.dataset.catalogue_mark import CatalogueMark
from offline.dataset.event_meaning import behaviours_of
from offline.dataset.logged_queries import normalised_query
from offline.dataset.spec import OWN_WORDS, QUERY_TASKS, DatasetSpec, EvaluationSpec
from offline.dataset.split_meta import META_FILE, SplitMeta
from offline.errors import DatasetError, RunFolderError
from offline.ingest.clean_items import PLACE
from offline.ingest.ingest import SUMMARY_FILE
from offline.ingest.undo_events import PAIR, UNDO
from offline.split import coded_events, cuts
from offline.split.coded_events import PART, CodedEvents, read_coded
from offline.split.graded import copy_graded, write_graded
from offline.split.own_words import own_words
from offline.split.parts import WrittenParts, write_parts
from offline.split.undone import STANDS, hold_last, with_undone, without_pairs
from offline.workspace.atomic import atomic_folder
from offline.workspace.progress import Progress, silent

PARTS = coded_events.PARTS

_DEFAULT_TIME = "time:0.8"
_VALID_SHARE = 1 / 8
"""The share of the history before a time cut that validates: of 0.8, train is 0.7 and valid the rest."""

FEW_TOUCHED = 0.05
"""Of the test targets of a split column: with fewer that their users had touched, validation has none, either."""

Summary = dict[str, object]


def split(
    ingested: Path,
    out: Path,
    spec: DatasetSpec,
    seed: int,
    how: str | None,
    *,
    progress: Progress | None = None,
) -> SplitMeta:
    """Cut the tables in `ingested`, write the parts to `out`, whole or not at all, and return the meta.

    `how`: `column`, `time:F` (F the share of events before the test cut), `last` (each user's last target
    event), `random` (a fifth of each user's items), or None for the first of these that the set allows.

    `items.parquet` (row, from 1, `absent`: the catalogue lacks it), `users.parquet` (user, from 0), `meta.json`, and a
    file for each part, sorted by (user, order): user, item (0 outside the vocabulary), type, time, order, query, target
    (scored), query_new (that query is to be new when valid is scored: train is read without it). The queries and
    judgments of a graded search are copied for the evaluation; those of a catalogue alone are made of its own words.

    Raises:
        DatasetError: `how` is none of these or not possible with this set, or no test event is left to score.
        RunFolderError: `ingested` is not what `ingest` writes, or `out` holds something else.
    """
    tell = progress or silent
    tell(0, 4, "reading tables")
    summary, coded, catalogue, attributes = read_ingested(ingested)
    how = _choose_how(how, summary, coded.events.height, spec.evaluation.task)
    tell(1, 4, f"cutting ({how})")
    has_order = bool(summary["has_order"])
    cut, unseen = _cut(coded, spec.evaluation, how, seed, has_order=has_order)
    tell(2, 4, "numbering items and users")
    items = _number_items(cut, catalogue, coded.items, np.random.default_rng(seed))
    users = _number_users(cut, seed)
    tell(3, 4, "writing parts")
    with atomic_folder(out, META_FILE) as folder:
        written = write_parts(folder, cut, coded, users, items)
        meta = _meta(
            spec,
            seed=seed,
            how=how,
            summary=summary,
            written=written,
            n_items=items.height,
            n_users=users.height,
            dropped_without_time=coded.events.get_column("time").null_count() if how.startswith("time:") else 0,
            unseen=unseen,
        )
        items.write_parquet(folder / "items.parquet")
        _with_attributes(users, coded.users, attributes).write_parquet(folder / "users.parquet")
        copy_graded(ingested, folder)
        if spec.evaluation.task == OWN_WORDS:
            questions = own_words(items, seed)
            write_graded(folder, questions.queries, questions.judgments)
            meta = meta.model_copy(update={"held_items": questions.held_items})
        (folder / META_FILE).write_text(meta.text(), encoding="utf-8")
    tell(4, 4, "split")
    return meta


def read_ingested(ingested: Path) -> tuple[Summary, CodedEvents, pl.DataFrame, pl.DataFrame]:
    """The summary, the events, the catalogue and the users' attributes."""
    try:
        summary: Summary = json.loads((ingested / SUMMARY_FILE).read_text(encoding="utf-8"))
        events = read_coded(ingested / "events.parquet")
        items, users = (pl.read_parquet(ingested / f"{name}.parquet") for name in ("items", "users"))
        return summary, events, items, users
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{ingested}: expected ingested tables, got no {error.filename or 'events.parquet'}: ingest first"
        ) from None


def _choose_how(how: str | None, summary: Summary, n_events: int, task: str) -> str:
    """The way to cut, checked and written out; `none` when there is nothing to cut."""
    if not n_events:
        if task in QUERY_TASKS:
            return "none"
        raise DatasetError(f"expected events for the task {task}, got none: check the files of [events]")
    if how is None:
        if summary["has_split"]:
            return "column"
        return _DEFAULT_TIME if summary["has_time"] else "last" if summary["has_order"] else "random"
    if how == "column" and not summary["has_split"]:
        raise DatasetError("expected a split column to cut by, got none: use time:0.8, last or random")
    if how.startswith("time:"):
        _share(how)
        if not summary["has_time"]:
            raise DatasetError(f"expected clock times for the split {how}, got none: use last or random")
        return how
    if how not in ("column", "last", "random"):
        raise DatasetError(f"expected column, time:F, last or random, got {how!r}: choose one")
    if how == "last" and not summary["has_order"]:
        raise DatasetError("expected times or positions for the split last, got none: use random")
    return how


def _share(how: str) -> float:
    try:
        share = float(how.removeprefix("time:"))
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise DatasetError(f"expected a share between 0 and 1 after time:, got {how!r}: write time:0.8")
    return share


def _cut(
    coded: CodedEvents, evaluation: EvaluationSpec, how: str, seed: int, *, has_order: bool
) -> tuple[pl.DataFrame, bool | None]:
    """The events with the `part` and the `target` mark of each row, less what a time split cannot place.

    Also whether what validation users are asked for was taken out of their histories (see `_carve_valid`); None where
    nothing was carved.
    """
    events = coded.events if has_order or how == "none" else cuts.drawn_order(coded.events, seed)
    if has_order and (how in ("column", "last") or how.startswith("time:")):
        events = with_undone(coded)
    events = events.with_columns(pl.lit("train", PART).alias("part"), query_new=pl.lit(value=False))
    if how == "none":
        return events.with_columns(pl.lit(value=False).alias("target")), None
    is_target = pl.lit(value=True)
    if evaluation.target_event is not None:
        is_target = pl.col("type") == BEHAVIOURS[evaluation.target_event]
    eligible = is_target
    rng = np.random.default_rng([seed, 1])
    if how.startswith("time:"):
        events = _cut_by_time(events, _share(how))
        # What was bought may be bought again: where nothing is hidden, that is asked for, too.
        eligible = is_target if evaluation.mask[0] == "none" else is_target & pl.col("fresh")
    elif how == "column":
        events = events.with_columns(pl.col("split").alias("part"))
    elif how == "last":
        whole = np.ones(events.height, dtype=np.bool_)
        held = hold_last(events, whole, _findable(evaluation, is_target), rng, min_events=2)
        events = events.with_columns(_moved(pl.Series(held), "test"))
    else:
        events = events.with_columns(_moved(cuts.some_items(events, is_target, rng), "test"))
    unseen = None
    is_carved = not (events.get_column("part") == "valid").any()
    by_last = has_order and evaluation.task not in ("all_items", "search") and how != "random"
    events = without_pairs(events, open_part="train" if is_carved and by_last else None)
    if is_carved:
        unseen = _takes_out(events.filter(STANDS) if PAIR in events.columns else events, evaluation, how, eligible)
        rng = np.random.default_rng([seed, 2])
        events = _carve_valid(
            events, coded.queries, evaluation, is_target, rng, how=how, unseen=unseen, has_order=has_order
        )
        events = without_pairs(events)
    valid, test = (
        cuts.target_rows(events, evaluation.task, eligible, pl.col("part") == part) for part in ("valid", "test")
    )
    if not test.any():
        kind = evaluation.target_event or "event"
        raise DatasetError(
            f"expected at least one {kind} to score in the test part of the split {how}, got none: "
            "mark test rows in the split column, or split by time:0.8, last or random"
        )
    return events.with_columns((valid | test).alias("target")), unseen


def _cut_by_time(events: pl.DataFrame, share: float) -> pl.DataFrame:
    """The events with a clock time, their parts, and `fresh`: the user had not purchased the item before."""
    if events.get_column("time").null_count():
        events = events.filter(pl.col("time").is_not_null())
    times = (events.filter(~pl.col(UNDO)) if UNDO in events.columns else events).get_column("time")
    test_cut = cuts.time_of_share(times, share)
    train_cut = cuts.time_of_share(times.filter(times < test_cut), 1 - _VALID_SHARE)
    part = (
        pl.when(pl.col("time") >= test_cut)
        .then(pl.lit("test", PART))
        .when(pl.col("time") >= train_cut)
        .then(pl.lit("valid", PART))
        .otherwise(pl.lit("train", PART))
    )
    events = without_pairs(events.with_columns(part.alias("part")))
    return events.with_columns(cuts.not_bought_before(events))


def _takes_out(events: pl.DataFrame, evaluation: EvaluationSpec, how: str, eligible: pl.Expr) -> bool:
    """Whether validation users shall have no earlier event on what they are asked for, as it is in test.

    So it is where the first mask hides what was seen, where whole items are held out at random, and where a split
    column has (next to) no test target that its user had touched: whoever made it took those events out. Nothing else
    of test is looked at.
    """
    if evaluation.mask[0] == "seen" or evaluation.task == "search" or how == "random":
        return True
    if how != "column":
        return False
    in_test = pl.col("part") == "test"
    targets = events.filter(cuts.target_rows(events, evaluation.task, eligible, in_test))
    known = events.filter(~in_test)
    of_known = targets.join(known, on="user_id", how="semi")
    touched = of_known.join(known, on=["user_id", "item_id"], how="semi")
    return of_known.height > 0 and touched.height < FEW_TOUCHED * of_known.height


def _carve_valid(
    events: pl.DataFrame,
    queries: pl.Series,
    evaluation: EvaluationSpec,
    is_target: pl.Expr,
    rng: np.random.Generator,
    *,
    how: str,
    unseen: bool,
    has_order: bool,
) -> pl.DataFrame:
    """`events` with some rows of train moved to valid, as the task and the first mask ask; draws depend on train alone.

    With `unseen`, the users' other events on what is held out go with it. A search is validated on queries that train
    has and on others that it has not, as many of a shop's queries are new.
    """
    in_train = events.get_column("part") == "train"
    train = events.filter(in_train)
    held = np.zeros(events.height, dtype=np.bool_)
    rows = in_train.arg_true().to_numpy()
    users = cuts.validation_users(train.get_column("user_id").n_unique())
    if evaluation.task == "search":
        new, held_pairs = cuts.new_queries(train, is_target, _query_keys(train, queries), rng)
        new_rows = np.zeros(events.height, dtype=np.bool_)
        new_rows[rows] = new.to_numpy()
        events = events.with_columns(pl.Series("query_new", new_rows))
        held[rows] = held_pairs.to_numpy()
        rows, train = rows[~held_pairs.to_numpy()], train.filter(~held_pairs)
    if evaluation.task in ("all_items", "search") or how == "random":
        held[rows] |= cuts.some_items(train, is_target, rng, unseen=unseen, max_users=users).to_numpy()
        return events.with_columns(_moved(pl.Series(held), "valid"))
    if not has_order:
        held[rows] = cuts.any_item(train, is_target, rng, unseen=unseen, max_users=users).to_numpy()
        return events.with_columns(_moved(pl.Series(held), "valid"))
    findable = is_target if unseen else _findable(evaluation, is_target)
    held = hold_last(events, in_train.to_numpy(), findable, rng, unseen=unseen, max_users=users)
    events = events.with_columns(_moved(pl.Series(held), "valid"), pl.Series("held", held))
    if unseen:  # held-out rows that stood before the target go behind it: what precedes a target is its history
        stands = STANDS if PAIR in events.columns else pl.lit(value=True)
        target = pl.col("order").filter(pl.col("held") & is_target & stands).max().over("user_id")
        is_before = pl.col("held") & (pl.col("order") < target)
        behind = pl.when(is_before).then(pl.col("order").max() + 1).otherwise(0)
        events = events.with_columns(pl.col("order") + behind)
    return events.drop("held").sort("user_id", "order")


def _findable(evaluation: EvaluationSpec, is_target: pl.Expr) -> pl.Expr:
    """The targets, by `fresh` without those that the first mask hides because they were bought before."""
    return is_target & pl.col("fresh") if evaluation.mask[0] == "purchased" else is_target


def _query_keys(events: pl.DataFrame, queries: pl.Series) -> pl.Series:
    """A number a row, the same for queries that read the same; null where there is no query."""
    read = pl.Series([normalised_query(text) for text in queries], dtype=pl.String).rank("dense")
    return read.gather(events.get_column("query"))


def _moved(held: pl.Series, part: str) -> pl.Expr:
    return pl.when(held).then(pl.lit(part, PART)).otherwise("part").alias("part")


def _number_items(
    cut: pl.DataFrame, catalogue: pl.DataFrame, texts: pl.Series, rng: np.random.Generator
) -> pl.DataFrame:
    """One row an item of the catalogue or of train; `row` from 1, drawn so that no id order shows in it.

    A catalogue alone keeps its own order, the newest first where it says when items came: equally popular items are
    answered in the order of rows, and so are all where nobody has touched any.
    """
    if PLACE in catalogue.columns:
        newest_first = catalogue.sort("added", PLACE, descending=[True, False], nulls_last=True, maintain_order=True)
        return newest_first.drop(PLACE).with_row_index("row", offset=1)
    codes = cut.select("part", "item_id").filter(pl.col("part") == "train").get_column("item_id").unique()
    ids = pl.concat([catalogue.select("item_id"), texts.gather(codes).to_frame()]).unique().sort("item_id")
    numbered = _shuffle(ids, "row", 1, rng).join(catalogue, on="item_id", how="left", maintain_order="left")
    return mark_absent(numbered, catalogue)


def _number_users(cut: pl.DataFrame, seed: int) -> pl.DataFrame:
    """One row a user (a code), `user` from 0: those of train first, then of valid and context, then of test.

    In that order, a change in a later part leaves the numbers of the earlier ones as they are.
    """
    groups = []
    start = 0
    known = pl.DataFrame(schema={"user_id": pl.UInt32})
    for index, parts in enumerate((("train",), ("valid", "context"), ("test",))):
        members = cut.select("part", "user_id").filter(pl.col("part").is_in(parts)).select("user_id").unique()
        fresh = members.join(known, on="user_id", how="anti").sort("user_id")
        groups.append(_shuffle(fresh, "user", start, np.random.default_rng([seed, 3, index])))
        known = pl.concat([known, fresh])
        start += fresh.height
    return pl.concat(groups)


def _shuffle(ids: pl.DataFrame, name: str, start: int, rng: np.random.Generator) -> pl.DataFrame:
    """`ids` in a drawn order, numbered from `start` in a first column `name`."""
    return ids[rng.permutation(ids.height)].with_row_index(name, offset=start)


def _with_attributes(users: pl.DataFrame, texts: pl.Series, attributes: pl.DataFrame) -> pl.DataFrame:
    """`users` with their ids for codes, and the `attributes` of those that `attributes` has."""
    ids = users.with_columns(texts.gather(users.get_column("user_id")).alias("user_id"))
    return ids.join(attributes, on="user_id", how="left", maintain_order="left")


def _meta(
    spec: DatasetSpec,
    *,
    seed: int,
    how: str,
    summary: Summary,
    written: WrittenParts,
    n_items: int,
    n_users: int,
    dropped_without_time: int,
    unseen: bool | None,
) -> SplitMeta:
    by_time = how.startswith("time:")
    evaluation = spec.evaluation
    meta = SplitMeta(
        dataset=spec.name,
        seed=seed,
        how=how,
        task=evaluation.task,
        mask=evaluation.mask,
        metrics=evaluation.metrics,
        target_event=evaluation.target_event,
        has_time=bool(summary["has_time"]),
        has_order=bool(summary["has_order"]),
        event_types={} if spec.events is None else behaviours_of(spec.events.types),
        behaviours=tuple(name for code, name in BEHAVIOUR_NAMES.items() if code in written.train_types),
        catalogue_columns=() if spec.items is None else spec.items.filter_columns,
        counts=written.counts,
        train_cut=written.starts.get("valid") if by_time else None,
        test_cut=written.starts.get("test") if by_time else None,
        fingerprint=str(summary["fingerprint"]),
        n_items=n_items,
        n_users=n_users,
        dropped_without_time=dropped_without_time,
        valid_unseen=unseen,
    )
    if "catalogue" not in summary:
        return meta
    return meta.model_copy(update={"catalogue": CatalogueMark.model_validate(summary["catalogue"])})
