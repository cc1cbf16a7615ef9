"""Terms that are kept from view to view."""

import numpy as np

from app.engine.text.term_memory import TermMemory, TermRows

NONE = np.zeros(0, dtype=np.int32)
LAMP, SHOE = 11, 12  # hashes


def term(*rows: int) -> TermRows:
    found = np.array(rows, dtype=np.int32)
    return TermRows(found, slice(0, len(rows)), NONE, NONE.astype(np.float32))


def two_terms() -> tuple[TermMemory, TermRows, TermRows]:
    """A memory that has two terms in its first view, and what it has of each."""
    memory = TermMemory()
    memory.begin(1, (), NONE)
    lamps, shoes = term(3, 7), term(4)
    memory.keep("lamp", 1, lamps)
    memory.keep("shoe", 1, shoes)
    return memory, lamps, shoes


def test_a_term_is_kept_until_an_item_with_it_changes() -> None:
    memory, lamps, _ = two_terms()
    memory.begin(2, {SHOE}, NONE)
    assert memory.get("lamp", LAMP, 2) is lamps
    assert memory.get("shoe", SHOE, 2) is None


def test_a_term_is_not_kept_once_the_bundle_no_longer_speaks_for_an_item_with_it() -> None:
    memory, _, shoes = two_terms()
    memory.begin(2, (), np.array([2, 7], dtype=np.int32))
    memory.begin(3, (), NONE)
    assert memory.get("lamp", LAMP, 3) is None
    assert memory.get("shoe", SHOE, 3) is shoes


def test_who_reads_an_older_view_gets_nothing_of_a_newer_one() -> None:
    memory = TermMemory()
    memory.begin(1, (), NONE)
    memory.begin(2, {LAMP}, NONE)
    newer = term(3, 7)
    memory.keep("lamp", 2, newer)
    assert memory.get("lamp", LAMP, 1) is None
    memory.keep("lamp", 1, term(3))
    assert memory.get("lamp", LAMP, 2) is newer


def test_nothing_is_kept_where_it_is_not_known_what_differs() -> None:
    memory = TermMemory()
    memory.begin(1, (), NONE)
    memory.keep("lamp", 1, term(3))
    memory.forget(2)
    memory.begin(3, (), NONE)
    assert memory.get("lamp", LAMP, 3) is None
