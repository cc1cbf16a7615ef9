"""Checks of tables: what is compared in a quick way is what was compared one by one."""

from hypothesis import given
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.engine.checks import _distinct

SHORT = st.text("ab\0", max_size=7)


@given(st.lists(SHORT | st.text("é1", max_size=12), max_size=20) | st.lists(SHORT, max_size=40))
def test_the_different_texts_of_a_column_are_each_there(texts: list[str]) -> None:
    assert _distinct(TextColumn.of(texts)) == {text.encode() for text in texts}
