"""Every call keeps to the OpenAPI document, whatever is asked: schemathesis makes up requests from the document itself.

The service answers what it announces, in the shape that it announces, and never with a 5xx. Where the document says
all that there is to say about a request, one that keeps to it is not refused either. `schemathesis.toml` says what is
asked.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).parents[2] / "support" / "schemathesis_hooks.py"
AT_LEAST = 1_000  # requests


@pytest.mark.slow
def test_answers_are_as_announced_and_never_a_server_error(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    tmp_path: Path,
) -> None:
    with listening(application_of()) as client:
        calls = sum(len(methods) for methods in client.get("/openapi.json").json()["paths"].values())
        command = ["-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{client.base_url}/openapi.json"]
        found = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200,
            env=os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)},
        )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    tested = re.search(r"Tested: +(\d+)", found.stdout)
    generated = re.search(r"(\d+) generated", found.stdout)
    assert tested is not None, found.stdout
    assert int(tested[1]) == calls
    assert generated is not None, found.stdout
    assert int(generated[1]) >= AT_LEAST
    print(found.stdout)  # noqa: T201 - with -s, the counts


def test_every_schema_that_is_referred_to_is_there(
    application_of: Callable[..., Starlette], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> None:
    with listening(application_of()) as client:
        text = client.get("/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= schemas.keys()
