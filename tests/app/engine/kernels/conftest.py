"""The libraries that were compiled here, one after another."""

import os
from collections.abc import Iterator

import pytest

from app.engine.kernels.build import libraries
from app.engine.kernels.library import KernelsMissing, Library, open_library, using


@pytest.fixture(scope="session", params=[kind for kind, _ in libraries()])
def compiled(request: pytest.FixtureRequest) -> Iterator[Library]:
    """Every library that this processor runs, in use."""
    paths = dict(libraries())
    try:
        plain = open_library(*libraries()[0])
        if request.param != plain.kind and not plain.has_third_level():
            pytest.skip("this processor does not run it")
        opened = open_library(request.param, paths[request.param])
    except KernelsMissing as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(f"{error}: python -m app.engine.kernels.build")
    with using(opened):
        yield opened
