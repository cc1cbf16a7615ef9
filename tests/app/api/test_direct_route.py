"""The short way to a route is the way that the router would go."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Match

from app.api.direct_route import DirectRoute, ShortWay

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
IDS = ("p1", "a/b", "", "batch", "similar", "x/similar", "a\nb", "ü ñ", "merge")


def by_router(app: Starlette, method: str, path: str) -> tuple[Any, dict[str, Any]] | None:
    """What the router hands a request to: the first route that matches whole."""
    for route in app.router.routes:
        match, scope = route.matches({"type": "http", "method": method, "path": path})
        if match is Match.FULL:
            return route, scope["path_params"]
    return None


@pytest.mark.parametrize("method", METHODS)
def test_every_address_is_answered_by_the_same_route(application_of: Callable[..., Starlette], method: str) -> None:
    app = application_of()
    short = ShortWay(app.router)
    templates = {route.path for route in app.router.routes if isinstance(route, DirectRoute)}
    assert any("{" in template for template in templates)
    for template in sorted(templates | {"/nothing", "/items", "/items/"}):
        beginning, brace, end = template.partition("{")
        paths = [f"{beginning}{id_}{end.partition('}')[2]}" for id_ in IDS] if brace else [template]
        for path in paths:
            expected, match = by_router(app, method, path), short.match(method, path)
            if expected is not None and isinstance(expected[0], DirectRoute):
                assert match == expected, (method, path)
            else:
                assert match is None, (method, path)
