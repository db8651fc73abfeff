"""``python -m sidebyside.server``: the loopback server, in a process of its own; it prints its address and serves until it is ended.

A model named ``paced-MS`` streams each chunk with the moment it was sent, nanoseconds of ``time.perf_counter_ns``, which Linux
counts alike in all processes; the first one after so many milliseconds.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from sidebyside import processes, traffic

PACED_CHUNKS, PACED_GAP = 4, 0.05


async def _paced(first: float) -> AsyncIterator[bytes]:
    for number in range(PACED_CHUNKS):
        await asyncio.sleep(PACED_GAP if number else first)
        yield traffic.event({"content": str(time.perf_counter_ns())})
    yield traffic.event({}, "stop")
    yield traffic.DONE


def _head(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


async def _answer(body: bytes, writer: asyncio.StreamWriter) -> None:
    size = 200_000 if len(body) > 100_000 else 2_000
    if b'"stream":true' not in body:
        answer = traffic.answer(size)
        writer.write(_head({**traffic.HEADERS, "content-length": str(len(answer))}) + answer)
        return
    writer.write(_head({**traffic.STREAM_HEADERS, "transfer-encoding": "chunked"}))
    if paced := re.search(rb'"paced-(\d+)"', body):
        async for piece in _paced(int(paced[1]) / 1000):
            writer.write(_chunk(piece))
    else:
        for piece in traffic.events(size):
            writer.write(_chunk(piece))
    writer.write(b"0\r\n\r\n")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await _answer(await reader.readexactly(int(length[1]) if length else 0), writer)
            await writer.drain()
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


@contextmanager
def running() -> Iterator[str]:
    """Yield the base URL of a server that runs as long as the block does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sidebyside.server"], stdout=subprocess.PIPE, text=True, env=processes.environ()
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(_main())
