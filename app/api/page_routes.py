"""The pages for people: the demo at `/`, what it starts with, and `/docs`; nothing in them comes from outside."""

from pathlib import Path
from typing import Final

from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.direct_route import DirectRoute, Endpoint
from app.api.schemas import DemoUsers
from app.serving.service import RecommendService

TAG: Final = "Demo"
_PAGES: Final = Path(__file__).parents[1] / "web"
# The pages carry their own script and style and speak to this service alone; titles come from a shop's feed, and what
# such a feed may smuggle in shall find no address to send anything to.
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src data:; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
)
_EXAMPLE: Final = {
    "model_version": "2026-11-23T10-15-00-3f2a",
    "dataset": "shop",
    "users": ["u1", "u2"],
    "fields": ["title", "price"],
}


def docs_routes() -> list[APIRoute]:
    """`/docs`."""
    return [DirectRoute("GET", "/docs", _page("docs.html"), response_class=HTMLResponse, include_in_schema=False)]


def demo_routes(service: RecommendService) -> list[APIRoute]:
    """`/` and `/demo/users`."""

    async def get_demo_users(_: Request) -> Response:
        """A few users with a history, and the columns that items can be shown with."""
        snapshot = service.release.snapshot
        return json_response(
            {
                "model_version": snapshot.manifest.version,
                "dataset": snapshot.manifest.dataset,
                "users": snapshot.manifest.sample_users,
                "fields": snapshot.catalogue.fields,
            }
        )

    return [
        DirectRoute("GET", "/", _page("index.html"), response_class=HTMLResponse, include_in_schema=False),
        DirectRoute(
            "GET",
            "/demo/users",
            get_demo_users,
            answer=DemoUsers,
            example=_EXAMPLE,
            summary="What the demo page starts with",
            operation_id="get_demo_users",
            tags=[TAG],
        ),
    ]


def _page(name: str) -> Endpoint:
    content = (_PAGES / name).read_bytes()

    async def get_page(_: Request) -> Response:
        return HTMLResponse(content, headers={"Content-Security-Policy": _POLICY})

    return get_page
