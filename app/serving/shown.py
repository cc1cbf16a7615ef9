"""What every call does that shows items: note them to be collected, and follow what becomes of them."""

from dataclasses import dataclass

from app.serving.call import Answer
from app.serving.impressions import Impression, ImpressionLog
from app.serving.online import OnlineTracker
from app.serving.release import Release


@dataclass(frozen=True)
class Shown:
    """Takes answers that are given."""

    impressions: ImpressionLog
    online: OnlineTracker

    def note(self, request_id: str, user_id: str | None, answer: Answer, release: Release) -> None:
        """One answer is given.

        Args:
            request_id: by which events name it.
            user_id: the user's, else the visitor's; `None` for nobody in particular.
            answer: with its items.
            release: that it was answered from.
        """
        now = release.wall_clock()
        self.online.show(request_id, answer.model_version, answer.item_ids, answer.first_rank, now)
        if self.impressions.wants():
            self.impressions.note(
                Impression(
                    request_id=request_id,
                    user_id=user_id,
                    model_version=answer.model_version,
                    time=now,
                    item_ids=answer.item_ids,
                    first_position=answer.first_rank,
                )
            )
