"""What a page shows where a search finds nothing: what others searched for, and what is popular."""

from typing import Final

from app.engine.candidates import popular
from app.engine.snapshot import Snapshot
from app.engine.text.text_match import TextMatch
from app.serving.call import RecommendCall
from app.serving.selection import Selection

MOST_QUERIES: Final = 5
_QUERY: Final = "query"  # the kind of a suggestion that shoppers searched for
_LOOKED_AT: Final = 20  # suggestions of a text
_MOST_WORDS: Final = 4  # whose suggestions are looked at, too
_SHORTEST: Final = 3  # letters of such a word
_SHORTEST_BEGUN: Final = 4  # letters of the beginning of a word, which another one may have, too


def similar_queries(snapshot: Snapshot, match: TextMatch) -> list[str]:
    """What shoppers searched for that is like a query, a word of it or the beginning of one, and finds something.

    At most 5, the likeliest first. Runs in a thread.
    """
    suggester, search = snapshot.suggester, snapshot.search
    if suggester is None or search is None:
        return []
    words = [word for word in match.words if len(word) >= _SHORTEST][:_MOST_WORDS]
    begun = [word[: max(_SHORTEST_BEGUN, 2 * len(word) // 3)] for word in words if len(word) > _SHORTEST_BEGUN]
    texts = dict.fromkeys(
        suggestion.text
        for text in dict.fromkeys([match.text, *words, *begun])
        for suggestion in suggester.suggest(text, _LOOKED_AT)
        if suggestion.kind == _QUERY and suggestion.text != match.text
    )
    similar: list[str] = []
    for text in list(texts)[:_LOOKED_AT]:
        (of_text,) = search.matches([text])
        if of_text is not None and of_text.hits.matched_by != "nothing":
            similar.append(text)
        if len(similar) == MOST_QUERIES:
            break
    return similar


def popular_beside(snapshot: Snapshot, call: RecommendCall, selection: Selection) -> list[int]:
    """The rows of the `k` most popular items that pass the filter and are not excluded; the whole catalogue's where
    the filter lets none of them pass.
    """
    rows = popular(snapshot.items, call.k, selection.exclude_rows, selection.passing)
    if not len(rows):
        rows = popular(snapshot.items, call.k, selection.exclude_rows)
    return [int(row) for row in rows]
