"""HTML in texts, read as a browser shows it: tags dropped, entities decoded."""

import html
import re
from typing import Final

import polars as pl

_INLINE: Final = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong"
    "|sub|sup|time|tt|u|var|wbr"
)
_BLOCK: Final = (
    "address|article|aside|audio|blockquote|body|br|button|canvas|caption|center|col|colgroup|dd|details|dialog|dir|div"
    "|dl|dt|embed|fieldset|figcaption|figure|footer|form|h[1-6]|head|header|hr|html|iframe|img|input|legend|li|link|main"
    "|map|menu|meta|nav|noscript|object|ol|optgroup|option|p|param|picture|pre|progress|section|select|source|summary"
    "|svg|table|tbody|td|textarea|tfoot|th|thead|title|tr|track|ul|video|o:p"
)
_ATTRIBUTES: Final = r"""(?:\s(?:"[^"]*"|'[^']*'|[^"'<>])*)?"""
_UNSEEN: Final = (
    r"(?is)<script\b[^>]*>.*?(?:</script\s*>|$)|<style\b[^>]*>.*?(?:</style\s*>|$)|<!--.*?(?:-->|$)|<!doctype[^>]*>"
    r"|<!\[CDATA\[|\]\]>"
)
_INLINE_TAG: Final = rf"(?is)</?(?:{_INLINE}){_ATTRIBUTES}\s*/?>"
_BLOCK_TAG: Final = rf"(?is)</?(?:{_BLOCK}){_ATTRIBUTES}\s*/?>"
_ANY: Final = rf"(?is)</?(?:{_INLINE}|{_BLOCK}|script|style){_ATTRIBUTES}\s*/?>|<!--"
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def read_markup(texts: pl.Series) -> pl.Series:
    """Texts as a browser shows them; a text without tags and entities stays as it is.

    Known tags are dropped: those of blocks and line breaks part words, scripts and styles go with what they hold; `a <
    b` is no tag. Entities are decoded, and where a text holds no tags but escaped ones, these are tags.
    """
    marked = texts.str.contains(r"<[A-Za-z/!]|&[#A-Za-z]") & texts.is_not_null()
    if not marked.any():
        return texts
    hits = texts.filter(marked)
    tagged = hits.str.contains(_ANY)
    first = _decoded(_without_tags(hits))
    again = ~tagged & first.str.contains(_ANY)
    read = _decoded(_without_tags(first)) if again.any() else first
    plain = pl.select(pl.when(again).then(read).otherwise(first)).to_series()
    changed = plain != hits
    plain = plain.str.replace_all(r"\s+", " ").str.strip_chars()
    plain = pl.select(pl.when(changed).then(plain).otherwise(hits)).to_series()
    return texts.clone().scatter(marked.arg_true(), plain)


def _without_tags(texts: pl.Series) -> pl.Series:
    texts = texts.str.replace_all(_UNSEEN, " ")
    return texts.str.replace_all(_INLINE_TAG, "").str.replace_all(_BLOCK_TAG, " ")


def _decoded(texts: pl.Series) -> pl.Series:
    if not texts.str.contains("&", literal=True).any():
        return texts
    decoded = [_ENTITY.sub(lambda hits: html.unescape(hits[0]), text) for text in texts.to_list()]
    return pl.Series(texts.name, decoded, pl.String)
