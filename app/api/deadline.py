"""The answer to a call for items, in time: the timer runs from the arrival of a request until its answer is written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter

from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import answer_body, json_body_response
from app.api.wire_values import has_left_of
from app.api.wire_work import write_answer
from app.artifact.people import Person
from app.serving.call import Answer, RecommendCall
from app.serving.cost import writing_cost_of
from app.serving.pages import next_cursor_of
from app.serving.release import Release
from app.serving.services import Services
from app.stores.state import StatesRead
from app.telemetry.stages import Trace, trace_of
from app.time_limit import TimeLimit


@dataclass(frozen=True, slots=True)
class ItemQuestion:
    """One parsed request for items."""

    call: RecommendCall
    release: Release  # the current one when the request came
    arrived: float = field(default_factory=perf_counter)  # when all of it was there, on the clock of `perf_counter`
    fields: list[str] | None = None  # to answer with each item
    person: Person | None = None
    fingerprint: Callable[[], int] | None = None  # of the request, for the cursor of a list that has pages
    degraded: tuple[str, ...] = ()  # what was missing before it was answered
    read: StatesRead | None = None  # the states of its people, where they were read with the look


def time_left(services: Services, arrived: float, timeout_ms: float | None = None) -> float:
    """Seconds that a request has left which came at `arrived`, on the clock of `perf_counter`.

    Args:
        services: have the time of a request that names none.
        arrived: when all of it was there.
        timeout_ms: that it names.
    """
    timeout_ms = services.recommender.timeout_ms if timeout_ms is None else timeout_ms
    return arrived + timeout_ms / 1e3 - perf_counter()


async def respond_in_time(services: Services, http: Request, question: ItemQuestion) -> Response:
    """The response with the answer; with what is popular where its time runs out first.

    Raises:
        InvalidRequest: `k` is larger than the depth.
        Overloaded: too many calls wait already.
        ClientDisconnected: nobody waits for the answer.
    """
    with services.recommender.right_of_way:
        return await _respond(services, http, question)


async def _respond(services: Services, http: Request, question: ItemQuestion) -> Response:
    trace, call, recommender = trace_of(http.scope), question.call, services.recommender
    try:
        with TimeLimit(time_left(services, question.arrived, call.timeout_ms)) as limit:
            answer = await recommender.recommend(call, question.release, has_left_of(http), question.read)
            trace.timer.include(answer.stages, rest="wait")
            if question.degraded:
                answer.degraded = [*answer.degraded, *question.degraded]
            if answer.has_more and question.fingerprint is not None:
                answer.next_cursor = next_cursor_of(answer, question.fingerprint(), question.release, services.cursors)
            body = await _write(services, trace, question, answer)
    except TimeoutError:
        if not limit.is_over:
            raise
        answer = recommender.late_answer(call, question.release)
        trace.timer.lap("wait")
        if question.degraded:
            answer.degraded = [*answer.degraded, *question.degraded]
        body = await _write(services, trace, question, answer)
    trace.timer.lap("encode")
    if http.method != "HEAD":  # which shows nothing
        services.recorder.record(trace.request_id, question.person, call.query, answer, question.release)
    return json_body_response(body)


async def _write(services: Services, trace: Trace, question: ItemQuestion, answer: Answer) -> bytes:
    cost = writing_cost_of(question.call, len(question.fields or ()))
    snapshot = question.release.snapshot
    return await write_answer(
        services.recommender.lanes, cost, partial(answer_body, answer, trace.request_id, question.fields, snapshot)
    )
