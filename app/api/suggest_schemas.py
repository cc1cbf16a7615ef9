"""What goes over the wire of `GET /suggest`. Field names are the contract."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.engine.text.suggest import MOST_LETTERS
from app.settings import MAX_QUERY

MAX_SUGGESTIONS: Final = 20


class SuggestRequest(BaseModel):
    """The query parameters of `GET /suggest`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    q: str = Field(default="", max_length=MAX_QUERY)
    limit: int = Field(default=8, ge=1, le=MAX_SUGGESTIONS)


class SuggestedText(BaseModel):
    """One completion."""

    text: str = Field(
        description=f"At most {MOST_LETTERS} characters; a longer title is cut and ends with an ellipsis."
    )
    kind: Literal["query", "title", "brand", "category"]
    item_id: str | None = Field(default=None, description="There for a title: the item that has it.")
    highlight: list[tuple[int, int]] | None = Field(
        default=None,
        description="Where `text` has what was typed: start and end, in code points. There when something was typed.",
    )


class SuggestAnswer(BaseModel):
    """At most `limit` completions, the likeliest first, each text once."""

    suggestions: list[SuggestedText]
