"""Answers to beginnings that were typed are kept, and never without bound."""

from app.engine.text import written_suggestions
from app.engine.text.written_suggestions import WrittenSuggestions


def test_an_answer_is_kept_for_its_own_question() -> None:
    written = WrittenSuggestions()
    written.keep(b"q=tra", b"one")
    written.keep(b"q=trai", b"other")
    assert (written.of(b"q=tra"), written.of(b"q=trai"), written.of(b"q=tr")) == (b"one", b"other", None)


def test_what_is_kept_is_bounded() -> None:
    written, body = WrittenSuggestions(), bytes(10_000)
    for number in range(1_000):
        written.keep(b"q=%d" % number, body)
    kept = [number for number in range(1_000) if written.of(b"q=%d" % number) is not None]
    assert kept[-1] == 999
    assert len(kept) * len(body) <= written_suggestions.MOST_BYTES
