"""The calls themselves, through the real openai client: with the tool, and without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai

from sidebyside import traffic
from sidebyside.values import Case

# Taken before any tool has put its own there.
_send, _send_async = httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request


class _Bare(httpx2.HTTPTransport):
    """The transport as it is without any tool."""

    handle_request = _send


class _AsyncBare(httpx2.AsyncHTTPTransport):
    handle_async_request = _send_async


class _Chunks(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


class Caller:
    """Makes the calls of a case, one test after the other, with clients made once.

    Attributes:
        done: calls made in this test so far.
        delays: of paced streams in this test, seconds from the sending of the first chunk to its arrival here.
    """

    def __init__(self, case: Case, base_url: str, *, bare: bool) -> None:
        self._case, self._loop = case, asyncio.new_event_loop()
        self._model = f"paced-{300 if case.width > 1 else 50}" if case.action == "paced" else "gpt-4o"
        kind: Any = openai.OpenAI if case.width == 1 else openai.AsyncOpenAI
        client = self._floor() if bare else None
        self._create = kind(api_key="k", base_url=base_url, http_client=client, max_retries=0).chat.completions.create
        self.done, self.delays = 0, list[float]()

    def _floor(self) -> Any:
        """Of replay the library's own mock, of record the transport that no tool has touched."""
        limits, wide = openai.DEFAULT_CONNECTION_LIMITS, self._case.width > 1
        make: Any = openai.DefaultAsyncHttpxClient if wide else openai.DefaultHttpxClient
        if self._case.action == "replay":
            return make(transport=httpx2.MockTransport(self._mock))
        return make(transport=_AsyncBare(limits=limits) if wide else _Bare(limits=limits))

    def _mock(self, request: httpx2.Request) -> httpx2.Response:
        if self._case.streamed:
            return httpx2.Response(200, headers=traffic.STREAM_HEADERS, stream=_Chunks(traffic.events(self._case.size)))
        return httpx2.Response(200, headers=traffic.HEADERS, content=traffic.answer(self._case.size))

    def make(self, calls: int) -> None:
        """Make so many calls, numbered from 0."""
        self.done = 0
        self.delays.clear()
        if self._case.width > 1:
            self._loop.run_until_complete(self._together(calls))
            return
        for number in range(calls):
            answer = self._ask(number)
            if self._case.streamed:
                self._read(list(map(self._stamped, answer)))
            else:
                assert answer.usage.total_tokens == traffic.USAGE["total_tokens"]
            self.done += 1

    async def _together(self, calls: int) -> None:
        numbers = iter(range(calls))

        async def work() -> None:
            for number in numbers:
                answer = await self._ask(number)
                if self._case.streamed:
                    self._read([self._stamped(chunk) async for chunk in answer])
                else:
                    assert answer.usage.total_tokens == traffic.USAGE["total_tokens"]
                self.done += 1

        await asyncio.gather(*(work() for _ in range(self._case.width)))

    def _ask(self, number: int) -> Any:
        messages = traffic.messages(number, self._case.size)
        return self._create(model=self._model, temperature=0, messages=messages, stream=self._case.streamed)

    @staticmethod
    def _stamped(chunk: Any) -> tuple[int, str | None]:
        return time.perf_counter_ns(), chunk.choices[0].delta.content

    def _read(self, chunks: list[tuple[int, str | None]]) -> None:
        if self._case.action == "paced":
            came, sent = chunks[0]
            self.delays.append((came - int(sent or 0)) / 1e9)
        else:
            assert len(chunks) == traffic.CHUNKS - 1  # the last one says that it is done, and the client keeps it
