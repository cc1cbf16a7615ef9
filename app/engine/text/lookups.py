"""Texts of a bundle, made ready to be found by kernels once they are checked."""

from dataclasses import replace

from app.artifact.text.chosen_index import ChosenIndex
from app.artifact.text.codes import CodeTable
from app.artifact.text.lexicon import WordLists
from app.artifact.text.vocabulary import Vocabulary
from app.engine.kernels.texts import fast_texts


def fast_codes(codes: CodeTable) -> CodeTable:
    """Codes that are found faster."""
    return replace(codes, texts=fast_texts(codes.texts))


def fast_chosen(chosen: ChosenIndex) -> ChosenIndex:
    """Queries that are found faster."""
    return replace(chosen, queries=fast_texts(chosen.queries))


def fast_vocabulary(vocabulary: Vocabulary) -> Vocabulary:
    """Words that are found faster."""
    lexicon = vocabulary.lexicon
    lexicon = replace(
        lexicon,
        forms=_fast_lists(lexicon.forms),
        ends=_fast_lists(lexicon.ends),
        begins=_fast_lists(lexicon.begins),
        others=fast_texts(lexicon.others),
    )
    return replace(vocabulary, words=fast_texts(vocabulary.words), terms=fast_texts(vocabulary.terms), lexicon=lexicon)


def _fast_lists(lists: WordLists) -> WordLists:
    return replace(lists, keys=fast_texts(lists.keys))
