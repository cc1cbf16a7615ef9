"""Users and visitors of the same id are two people, for ever."""

from app.artifact.hashing import stable_hash
from app.artifact.people import PARTITIONS, partition_of, user_hash, visitor_hash


def test_a_user_and_a_visitor_of_one_id_are_two() -> None:
    assert user_hash("u10301") != visitor_hash("u10301")


def test_hashes_never_change() -> None:
    assert user_hash("u1") == stable_hash("u1") == 15_378_189_911_849_802_130
    assert visitor_hash("u1") == 3_244_898_892_727_271_119


def test_partitions_are_all_used() -> None:
    hashes = [visitor_hash(f"v{number}") for number in range(4_096)]
    assert {partition_of(person) for person in hashes} == set(range(PARTITIONS))
