"""The pages for people: the storefront at `/`, what it starts with, and `/docs`; nothing in them comes from outside."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute, Endpoint
from app.api.schemas import DemoUsers
from app.artifact.filter_columns import ADDED, Kind
from app.artifact.people import Person, PersonKind
from app.engine.selection.column_view import AnyColumn
from app.engine.selection.filter_index import FilterIndex
from app.serving.services import Services

TAG: Final = "Demo"
_PAGES: Final = Path(__file__).parents[1] / "web"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript"}
# The pages speak to this service alone; titles come from a shop's feed, and what such a feed may smuggle in shall find
# no address to send anything to. The storefront runs only what lies in files of its own: no script or style in markup.
_STOREFRONT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:{images}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_IMAGES: Final = " 'self' https: http:"  # where the catalogue has columns for display, which may be addresses of images
_DOCS_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)
_EXAMPLE: Final = {
    "model_version": "2026-11-23T10-15-00-3f2a",
    "dataset": "shop",
    "users": ["u1", "u2"],
    "visitors": ["v1"],
    "fields": ["title", "price", "image"],
    "display": ["image"],
    "facets": [{"field": "brand", "kind": "text"}, {"field": "price", "kind": "number"}],
    "objectives": ["view", "purchase"],
    "behaviours": ["view", "cart", "purchase"],
}
_FIRST_FACETS: Final = ("category", "brand", "price")  # where the catalogue has them, however many values they have
_MAX_OTHERS: Final = 6  # further ones
_MAX_NUMBERS: Final = 2  # of these: a range takes more thought than a value
_MIN_SHARE: Final = 0.1  # of the items that have a value
_MAX_VALUES: Final = 60  # of a text: more are titles, ids or descriptions


def docs_routes() -> list[APIRoute]:
    """`/docs`."""
    page = _file("docs.html", "text/html", _DOCS_POLICY)
    return [DirectRoute("GET", "/docs", page, response_class=HTMLResponse, include_in_schema=False)]


def demo_routes(services: Services) -> list[APIRoute]:
    """`/`, the files under `/web/` that it is made of, and `/demo/users`."""
    plain = _file("index.html", "text/html", _STOREFRONT_POLICY.format(images=""))
    with_images = _file("index.html", "text/html", _STOREFRONT_POLICY.format(images=_IMAGES))

    async def page(request: Request) -> Response:
        has_display = bool(services.recommender.release.snapshot.catalogue.display)
        return await (with_images if has_display else plain)(request)

    parts = [path for path in sorted(_PAGES.iterdir()) if path.suffix in _TYPES]
    return [
        DirectRoute("GET", "/", page, response_class=HTMLResponse, include_in_schema=False),
        *(
            DirectRoute(
                "GET",
                f"/web/{path.name}",
                _file(path.name, _TYPES[path.suffix], _STOREFRONT_POLICY.format(images="")),
                include_in_schema=False,
            )
            for path in parts
        ),
        DirectRoute(
            "GET",
            "/demo/users",
            partial(get_demo_users, services),
            answer=DemoUsers,
            example=_EXAMPLE,
            summary="What the storefront starts with",
            operation_id="get_demo_users",
            tags=[TAG],
        ),
    ]


async def get_demo_users(services: Services, _: Request) -> Response:
    """A few users and visitors with a history, the columns that items can be shown with, what lists are narrowed by."""
    recommender, release = services.recommender, (await services.live.look()).release
    snapshot = release.snapshot

    def present(kind: PersonKind, ids: Sequence[str]) -> list[str]:
        return [id_ for id_ in ids if not recommender.states.is_withheld(release, Person(kind, id_).hash)]

    return json_response(
        {
            "model_version": snapshot.manifest.version,
            "dataset": snapshot.manifest.dataset,
            "users": present("user", snapshot.manifest.sample_users),
            "visitors": present("visitor", snapshot.manifest.sample_visitors),
            "fields": snapshot.catalogue.fields,
            "display": list(snapshot.catalogue.display),
            "facets": [
                {"field": column, "kind": kind} for column, kind in demo_facets(snapshot.filters, snapshot.items.count)
            ],
            "objectives": [] if snapshot.ranker is None else snapshot.ranker.objectives,
            "behaviours": snapshot.manifest.behaviours,
        }
    )


def demo_facets(filters: FilterIndex, items: int) -> list[tuple[str, Kind]]:
    """Names and kinds: category, brand and price, then what most of the `items` have."""
    columns = {name: filters.column(name, name) for name in filters.names}
    first = [name for name in _FIRST_FACETS if name in columns and columns[name].pairs]
    others = [name for name, column in columns.items() if name not in _FIRST_FACETS and _is_useful(column, items)]
    others.sort(key=lambda name: -columns[name].pairs)  # stable: of two alike, as the catalogue has them
    numbers = [name for name in others if columns[name].kind == "number"]
    others = [name for name in others if name not in numbers[_MAX_NUMBERS:]]
    return [(name, columns[name].kind) for name in (*first, *others[:_MAX_OTHERS])]


def _is_useful(column: AnyColumn, items: int) -> bool:
    if column.name == ADDED or column.pairs < _MIN_SHARE * items:
        return False
    return column.kind == "number" or 2 <= column.values <= _MAX_VALUES


def _file(name: str, media_type: str, policy: str) -> Endpoint:
    content = (_PAGES / name).read_bytes()
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",  # else a browser may put an old part beside a new one
    }

    async def get_file(_: Request) -> Response:
        return Response(content, headers=headers, media_type=media_type)

    return get_file
