"""Users who make up more of a log than a person does, with the line of `dataset.toml` that leaves them out."""

import json
from collections.abc import Mapping

from offline.dataset.people import described, read_person, skip_key
from offline.dataset.spec import EventsSpec
from offline.onboarding.findings import Finding

_SHOWN = 3


def robot_findings(heavy: Mapping[str, int], events: int, table: EventsSpec) -> list[Finding]:
    """A warning for each kind of people, users and visitors, some of whom may be robots.

    Args:
        heavy: the events of each of them, the heaviest first; see `offline.ingest.heavy_users`.
        events: of all people.
        table: what the data set leaves out already.
    """
    findings = []
    for key in dict.fromkeys(map(skip_key, heavy)):
        ones = [text for text in heavy if skip_key(text) == key]
        shown = ", ".join(f"{heavy[text]} by {described(text)}" for text in ones[:_SHOWN])
        more = f", and {len(ones) - _SHOWN} more like them" if len(ones) > _SHOWN else ""
        before: tuple[str, ...] = getattr(table, key)
        line = f"{key} = {json.dumps([*before, *(read_person(text).id for text in ones)], ensure_ascii=False)}"
        place = "in place of that line" if before else "below [events]"
        findings.append(
            Finding(
                "warning",
                "events",
                "nobody who makes up the log",
                f"of {events} events {shown}{more}",
                f"leave robots out: write {line} {place}",
                count=sum(heavy[text] for text in ones),
            )
        )
    return findings
