"""Every call of a script is looked at, whatever test makes it: its keys must lie on one node. Certificates for TLS."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cluster_slots import slots_of
from redis.asyncio import Redis
from redis_process import HOST

from app.stores import redis_scripts
from app.stores.redis_scripts import ABSORB, ScriptCall, Send


@pytest.fixture(autouse=True)
def one_slot_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses a call whose keys lie in several slots, but for what reads the layout before, which no cluster had."""
    evaluate = redis_scripts._evaluate

    async def look_and_evaluate(client: Redis, send: Send, calls: Sequence[ScriptCall]) -> list[Any]:
        for call in calls:
            assert call.script is ABSORB or len(slots_of(call.keys)) == 1, call.keys
        return await evaluate(client, send, calls)

    monkeypatch.setattr(redis_scripts, "_evaluate", look_and_evaluate)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with a certificate for this machine's address, one for the name of it alone, and who signed both."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    for words in (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=aisle-test-ca",
        f"req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN=x -addext subjectAltName=IP:{HOST}",
        "x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out redis.crt -days 2 -copy_extensions copy",
        "req -newkey rsa:2048 -nodes -keyout name.key -out name.csr -subj /CN=x -addext subjectAltName=DNS:localhost",
        "x509 -req -in name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out name.crt -days 2 -copy_extensions copy",
        "req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 2 -subj /CN=somebody-else",
    ):
        subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path
