"""A data set says whose ids it has, and a user and a visitor of one id stay two people through the job."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.artifact.people import Person, hidden_mail, user_hash, visitor_hash
from offline.dataset.erased import erased_until
from offline.dataset.histories import Histories
from offline.dataset.people import described, person_hashes, person_text, read_person
from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.ingest.ingest import ingest

ROWS = "account,device,item,at\nsame,,p1,1700000001\n,same,p2,1700000002\nsame,same,p3,1700000003\n,,p4,1700000004\n"


def write(folder: Path, events: str, csv: str = ROWS, further: str = "") -> Path:
    (folder / "log.csv").write_text(csv)
    (folder / "dataset.toml").write_text(
        f'name = "shop"\n[events]\npath = "log.csv"\nitem = "item"\ntime = "at"\n{events}\n{further}'
    )
    return folder


def people_in(folder: Path, out: Path) -> dict[str, list[Person]]:
    ingest(load_spec(folder), out, max_bad_share=0.5)
    rows = pl.read_parquet(out / "events.parquet").select("item_id", "user_id").sort("item_id").iter_rows()
    found: dict[str, list[Person]] = {}
    for item, text in rows:
        found.setdefault(item, []).append(read_person(text))
    return found


def test_a_text_is_read_as_the_person_it_was_written_of() -> None:
    people = [Person("user", "same"), Person("visitor", "same")]
    texts = [person_text(person) for person in people]
    assert texts[0] == "same"
    assert [read_person(text) for text in texts] == people
    assert person_hashes(texts).tolist() == [user_hash("same"), visitor_hash("same")]
    assert [described(text) for text in texts] == ["user 'same'", "visitor 'same'"]


def test_a_row_with_a_user_is_the_users_else_the_visitors(tmp_path: Path) -> None:
    user, visitor = Person("user", "same"), Person("visitor", "same")
    data = write(tmp_path, 'user = "account"\nvisitor = "device"')
    assert people_in(data, tmp_path / "out") == {"p1": [user], "p2": [visitor], "p3": [user]}
    summary = pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert summary.get_column("reason").to_list() == ["empty user id"]


def test_a_log_may_be_of_visitors_alone(tmp_path: Path) -> None:
    found = people_in(write(tmp_path, 'visitor = "device"'), tmp_path / "out")
    assert found == {"p2": [Person("visitor", "same")], "p3": [Person("visitor", "same")]}


def test_what_is_called_user_id_may_be_said_to_be_of_visitors(tmp_path: Path) -> None:
    data = write(tmp_path, 'visitor = "user_id"', "user_id,item,at\n007,p1,1700000001\n")
    assert people_in(data, tmp_path / "out") == {"p1": [Person("visitor", "007")]}


def test_blanks_make_no_visitor_of_a_user(tmp_path: Path) -> None:
    data = write(tmp_path, 'user = "account"', 'account,item,at\n"\tsame",p1,1700000001\n')
    assert people_in(data, tmp_path / "out") == {"p1": [Person("user", "same")]}


def test_one_column_cannot_hold_both_kinds(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"events\.visitor: expected another column for visitors than for users"):
        load_spec(write(tmp_path, 'user = "account"\nvisitor = "account"'))


def test_a_column_of_visitors_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"expected a column 'devise' in .*did you mean 'device'"):
        ingest(load_spec(write(tmp_path, 'user = "account"\nvisitor = "devise"')), tmp_path / "out")


def test_visitors_are_skipped_by_a_key_of_their_own_and_have_attributes(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("id,device,segment\nsame,,gold\n,same,new\n")
    users = '[users]\npath = "people.csv"\nid = "id"\nvisitor = "device"\n'
    data = write(tmp_path, 'user = "account"\nvisitor = "device"\nskip_visitors = ["same"]', further=users)
    assert people_in(data, tmp_path / "out") == {"p1": [Person("user", "same")], "p3": [Person("user", "same")]}
    table = dict(pl.read_parquet(tmp_path / "out" / "users.parquet").iter_rows())
    assert table == {"same": ["segment=gold"], person_text(Person("visitor", "same")): ["segment=new"]}


@pytest.mark.parametrize(
    ("events", "line"),
    [
        ('user = "account"', "the ids of 'account' are users'"),
        (
            'user = "account"\nvisitor = "device"',
            "the ids of 'account' are users', and in rows without one those of 'device' are visitors'",
        ),
        ('visitor = "device"', "the ids of 'device' are visitors'"),
    ],
)
def test_check_says_whose_ids_they_are(
    tmp_path: Path, offline: Callable[..., subprocess.CompletedProcess[str]], events: str, line: str
) -> None:
    done = offline("check", write(tmp_path, events), "--max-bad-share", "1")
    assert done.returncode == 0, done.stderr
    assert line in " ".join(done.stderr.split())


def test_what_an_erased_person_did_before_is_in_no_history() -> None:
    texts = ["a", person_text(Person("visitor", "a")), "b"]
    until = erased_until(texts, {visitor_hash("a"): 15.0, user_hash("c"): 99.0})
    assert until.tolist() == [-np.inf, 15.0, -np.inf]
    histories = Histories(
        offsets=np.array([0, 2, 5, 6]),
        rows=np.array([1, 2, 3, 4, 5, 6], np.int32),
        types=np.ones(6, np.uint8),
        times=np.array([1.0, np.nan, np.nan, 15.0, 16.0, np.nan]),
    )
    left = histories.since(until)
    assert left.offsets.tolist() == [0, 2, 3, 4]
    assert left.rows.tolist() == [1, 2, 5, 6]


def test_of_a_mail_address_the_hash_alone_is_kept_and_a_service_knows_who_asks_with_the_address(
    tmp_path: Path, offline: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    mail = "Ann.O'Hara+shop@mail.example.co.uk"
    rows = f"{mail},,p1,1700000001\nother@example.com,,p2,1700000002\nplain,,p3,1700000003\n{mail},,,1700000004\n"
    (tmp_path / "people.csv").write_text(f"id,segment\n{mail},gold\n")
    users = '[users]\npath = "people.csv"\nid = "id"\n'
    toml = 'user = "account"\nskip_users = ["other@example.com"]'
    data = write(tmp_path, toml, f"account,device,item,at\n{rows}x,y,{mail},z,z,z\n", users)
    done = offline("check", data, "--max-bad-share", "1")
    assert done.returncode == 0, done.stderr
    assert "mail addresses: a hash stands for each" in " ".join(done.stderr.split())
    assert "example.co" not in done.stderr + done.stdout
    ingest(load_spec(data), tmp_path / "out", max_bad_share=1)
    for file in (tmp_path / "out").iterdir():
        assert b"example.co" not in (
            file.read_bytes() if file.suffix == ".json" else str(pl.read_parquet(file).rows()).encode()
        )
    texts = pl.read_parquet(tmp_path / "out" / "events.parquet").get_column("user_id").sort().to_list()
    assert texts == [hidden_mail(mail), "plain"]
    assert pl.read_parquet(tmp_path / "out" / "users.parquet").get_column("user_id").to_list() == texts[:1]
    assert person_hashes(texts).tolist() == [user_hash(mail), user_hash("plain")]


def test_no_hash_can_be_written_as_an_id() -> None:
    mail = "ann@example.com"
    assert user_hash(mail) == user_hash(hidden_mail(mail))
    assert visitor_hash(mail) == visitor_hash(hidden_mail(mail))
    for other in (user_hash("u1"), visitor_hash("v9")):
        assert user_hash(f"mail:{other:016x}") != other
        assert visitor_hash(f"mail:{other:016x}") != other
    assert len({user_hash(mail), visitor_hash(mail), user_hash("ann@"), user_hash(f"x {mail}")}) == 4
