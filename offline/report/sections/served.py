"""What is served: what it knows besides the measured version, how far it drifted from it, and what it took."""

from offline.evaluation.serving_document import Drift, ServingDocument
from offline.report.blocks import Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, duration, figure, megabytes, number, share


def served(facts: RunFacts) -> Section:
    """The version that `publish` takes, beside the one that the figures are of."""
    title = "What is served"
    serving = facts.serving
    if serving is None:
        return Section("served", title, ["No version was made to be served: run `aisle-offline serve`."])
    if serving.how == "measured":
        sentence = f"Served is the measured version, {serving.version}: {serving.reason}."
        return Section("served", title, [sentence], [_costs(serving)])
    sentences = [
        f"The figures of this page are of {serving.measured_as}, which has not seen the test. Served is "
        f"{serving.version}: the same network, ranker and weights, with counts, graph, users and pasts as of the "
        f"newest event. It knows {count(serving.new_events)} events more, {count(serving.new_users)} users and "
        f"{count(serving.new_items)} items that the measured version does not."
    ]
    if serving.context_events:
        sentences.append(
            f"{count(serving.context_events)} of the events came as the context of a test; when serving they are past "
            "like any other."
        )
    blocks = []
    if serving.drift is not None:
        sentences += _drift_sentences(serving, serving.drift)
        blocks += _drift_tables(serving.drift)
    return Section("served", title, sentences, [*blocks, _costs(serving)])


def _drift_sentences(serving: ServingDocument, drift: Drift) -> list[str]:
    who = "users without an event since the measured cut" if drift.without_news else "users with the pasts of that cut"
    sentences = [
        f"The same {count(drift.requests)} requests were put to both versions ({who}): {share(drift.overlap_at_10)} of "
        "the ten best items are the same."
    ]
    if drift.query_overlap_at_10 is not None:
        sentences.append(
            f"{count(drift.queries)} logged queries were searched: {share(drift.query_overlap_at_10)} of the ten best "
            "are the same."
        )
    if serving.count_scales is not None:
        factors = ", ".join(f"{behaviour} {number(scale)}" for behaviour, scale in serving.count_scales.items())
        sentences.append(f"Counts were brought to the scale that the ranker was measured with ({factors}).")
    if drift.excesses:
        sentences.append(f"Past its threshold: {'; '.join(drift.excesses)}.")
    return sentences


def _drift_tables(drift: Drift) -> list[Table]:
    tables = [
        Table(
            "Scores of the ten best items (distance: Kolmogorov-Smirnov)",
            words("score") + numbers("mean, measured", "mean, served", "distance"),
            [
                Row([shift.name, number(shift.measured), number(shift.served), figure(shift.distance)])
                for shift in drift.scores
            ],
        )
    ]
    if drift.calibration:
        heads = numbers("observed", "predicted, measured", "predicted, served", "ECE, measured", "ECE, served")
        rows = [
            Row(
                [
                    f"P({shift.behaviour})",
                    *map(number, (shift.observed, shift.measured, shift.served, shift.measured_ece, shift.served_ece)),
                ]
            )
            for shift in drift.calibration
        ]
        caption = f"Predictions on {count(drift.cases)} validation users, histories ended before the targets"
        tables.append(Table(caption, words("prediction") + heads, rows))
    return tables


def _costs(serving: ServingDocument) -> Table:
    return Table(
        "Time and disk of the second export",
        words("") + numbers("value"),
        [
            Row(["time, the drift check included", duration(serving.seconds)]),
            Row(["measured version", megabytes(serving.measured_mb)]),
            Row(["served version, of its own", megabytes(serving.own_mb)]),
            Row(["served version, shared with the measured one", megabytes(serving.linked_mb)]),
        ],
    )
