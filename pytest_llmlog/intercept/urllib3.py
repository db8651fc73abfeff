"""urllib3, and so requests and botocore: the pool's public ``urlopen``, which every attempt of a request passes through."""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pytest_llmlog.intercept import exchange
from pytest_llmlog.intercept.bodies import Pieces, plain, sent
from pytest_llmlog.intercept.exchange import ReplayedCall
from pytest_llmlog.intercept.live import LiveCall
from pytest_llmlog.intercept.patches import original_of
from pytest_llmlog.intercept.urllib3_bodies import recording, replaying
from pytest_llmlog.traffic import Request

MODULES = ("urllib3.connectionpool",)

_under_way: ContextVar[LiveCall | None] = ContextVar("llmlog_urllib3_call", default=None)
"""The attempt being made: urllib3 makes the next one inside of it."""


def _reason(error: BaseException) -> BaseException:
    """What made urllib3 give up."""
    return getattr(error, "reason", None) or error


def _exception(exceptions: ModuleType, pool: Any, url: str, call: ReplayedCall) -> Exception:
    """The recorded exception, of the same class if this urllib3 has it."""
    assert call.failure is not None
    kind = getattr(exceptions, call.failure.type, None) or exceptions.ProtocolError
    text = call.failure.text
    for arguments in ((pool, url, text), (pool, text), (text,)):
        try:
            error: Exception = kind(*arguments)
        except (TypeError, AttributeError):
            continue
        return error
    return Exception(text)


@cache
def _replaying_class() -> type:
    from urllib3.response import HTTPResponse

    return replaying(HTTPResponse)


def _replay(pool: Any, call: ReplayedCall, method: str, url: str, given: dict[str, Any]) -> Any:
    """Answer, or fail and try again as the caller's ``Retry`` says, without its pauses."""
    from urllib3 import exceptions
    from urllib3.util.retry import Retry

    retries = given["retries"]
    if not isinstance(retries, Retry):
        retries = Retry.from_int(retries, redirect=given["redirect"], default=pool.retries)
    failure = _exception(exceptions, pool, url, call) if call.failure else None
    if call.response is None:
        left = retries.increment(method, url, error=failure, _pool=pool)
        return pool.urlopen(method, url, **{**given, "retries": left})
    answered = call.response
    response = _replaying_class()(
        Pieces(call, failure), answered.headers, answered.status, version=11, request_method=method, request_url=url,
        preload_content=given.get("preload_content", True), decode_content=given.get("decode_content", True), retries=retries,
    )  # fmt: skip
    if not retries.is_retry(method, answered.status, "retry-after" in answered.headers):
        return response
    try:
        left = retries.increment(method, url, response=response, _pool=pool)
    except exceptions.MaxRetryError:
        if retries.raise_on_status:
            raise
        return response
    return pool.urlopen(method, url, **{**given, "retries": left})


def _live(original: Any, pool: Any, call: LiveCall, method: str, url: str, given: dict[str, Any]) -> Any:
    before = _under_way.get()
    if before is not None:
        _end_attempt(before, given["retries"])
    token = _under_way.set(call)
    try:
        response = original(pool, method, url, **given)
    except BaseException as exc:
        call.finish("error", _reason(exc))
        raise
    finally:
        _under_way.reset(token)
    if not call.finished:
        _listen(response, call, preloaded=given.get("preload_content", True))
    return response


def _end_attempt(call: LiveCall, retries: Any) -> None:
    """The attempt under way has failed, since urllib3 makes the next one: its history says how."""
    history = getattr(retries, "history", ())
    last = history[-1] if history else None
    if last is not None and last.status is not None:
        call.responded(last.status, {})
        call.finish()
    else:
        call.finish("error", _reason(last.error) if last is not None and last.error else ConnectionError("the attempt failed"))


def _listen(response: Any, call: LiveCall, *, preloaded: bool) -> None:
    own = hasattr(response, "decode_content")  # else it is a cassette's, with all of the body in it as it came
    if not preloaded and own:
        response.__class__ = recording(type(response), call)
        return
    headers = plain(response.headers)
    if own and response.decode_content:
        headers.pop("content-encoding", None)
    call.responded(response.status, headers)
    call.chunk(response.data)
    call.finish()


def is_ready(pools: ModuleType) -> bool:
    """Whether the module has been imported to its end."""
    return hasattr(pools, "HTTPSConnectionPool")


def patch(pools: ModuleType) -> None:
    """Put capture into urllib3's pools; once, however often it is asked for."""
    kind = pools.HTTPConnectionPool
    if hasattr(kind.urlopen, "llmlog_original"):
        return
    original = kind.urlopen

    def urlopen(
        self: Any, method: str, url: str, body: Any = None, headers: Any = None, retries: Any = None, redirect: bool = True,
        assert_same_host: bool = True, **more: Any,
    ) -> Any:  # fmt: skip
        found = exchange.endpoint_of(method, self.host, urlsplit(url).path)
        content, body = sent(body) if found else (b"", body)
        given = {
            "body": body, "headers": headers, "retries": retries, "redirect": redirect, "assert_same_host": assert_same_host, **more
        }  # fmt: skip
        if found is None:
            return original(self, method, url, **given)
        place = url if "://" in url else f"{self.scheme}://{self.host}:{self.port}{url}"
        request = Request(method, place, plain(headers if headers is not None else self.headers), content)
        call = exchange.begin(request, *found)
        if call is None:
            return original(self, method, url, **given)
        if isinstance(call, ReplayedCall):
            return _replay(self, call, method, url, given)
        return _live(original, self, call, method, url, given)

    urlopen.llmlog_original = original  # type: ignore[attr-defined]
    kind.urlopen = urlopen


def unpatch(pools: ModuleType) -> None:
    """Take capture out again, unless somebody has patched over it since: then it stays, and finds no scope."""
    original = original_of(pools.HTTPConnectionPool.urlopen)
    if original is not None:
        pools.HTTPConnectionPool.urlopen = original
