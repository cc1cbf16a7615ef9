"""The load generator reads the answers of any server, however it spells the names of headers."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from http_head import header_of, length_of

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "http_load.py"
LIKE_NGINX = "Server: nginx\r\nContent-Type: application/json\r\nContent-Length: 2\r\nServer-Timing: engine;dur=1.5"
LIKE_UVICORN = "content-length:2\r\ncontent-type: application/json\r\nserver-timing: engine;dur=1.5"


def loaded(headers: str) -> dict[str, Any]:
    """What the generator says of a server that answers with these headers, a byte at a time now and then."""
    head = f"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n".encode()
    halves = [(head[:20], head[20:] + b"{}"), (head + b"{", b"}"), (head + b"{}", b"")]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count = 0
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(2)
                for part in halves[count % 3]:
                    writer.write(part)
                    await asyncio.sleep(0)
                count += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> bytes:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            asked = {"host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "path": "/"}
            asked |= {"bodies": ["{}"], "connections": 2, "seconds": 0.1}
            process = await asyncio.create_subprocess_exec(
                sys.executable, PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            output, _ = await process.communicate(json.dumps(asked).encode())
            assert process.returncode == 0
            return output

    found: dict[str, Any] = json.loads(asyncio.run(run()))
    return found


@pytest.mark.parametrize("headers", [LIKE_NGINX, LIKE_UVICORN])
def test_answers_are_read_whatever_the_case_of_their_headers(headers: str) -> None:
    found = loaded(headers)
    assert found["requests"] > 16
    assert found["stages_us"] == {"engine": 1_500.0}


def test_a_header_is_found_by_its_whole_name() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Content-Length: 7\r\nCONTENT-LENGTH:  12 \r\nlast: content-length: 3"
    assert length_of(head) == 12
    assert header_of(head, b"last") == b"content-length: 3"
    assert header_of(head, b"length") is None
    with pytest.raises(ValueError, match="expected an answer with a Content-Length"):
        length_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
