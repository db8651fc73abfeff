"""HTTP archives, as browsers and proxies save them.

Format: http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from pytest_llmlog.cassettes.base import CassetteError, Recording, as_bytes, headers
from pytest_llmlog.traffic import Exchange, Request, Response


def entries(document: Any) -> list[Any]:
    """The entries of an archive.

    Raises:
        CassetteError: there are none.
    """
    found = document["log"].get("entries")
    if not isinstance(found, list):
        raise CassetteError("not a HAR file: log.entries is no list")
    return found


def read(entry: Any) -> Recording:
    """Read one entry; a body that the archive left out is empty."""
    asked, answered = entry["request"], entry["response"]
    post = asked.get("postData") or {}
    body = as_bytes(post.get("text"))
    request = Request(str(asked["method"]).upper(), str(asked["url"]), headers(asked.get("headers")), body)
    content = answered.get("content") or {}
    given = as_bytes(content.get("text"))
    data = base64.b64decode(given) if content.get("encoding") == "base64" else given
    told = headers(answered.get("headers"))
    told.pop("content-encoding", None)  # an archive holds bodies decoded
    status = int(answered["status"])
    if not 100 <= status <= 599:
        raise CassetteError(f"the response's status is {status}: there was none")
    seconds = float(entry["time"]) / 1000 if isinstance(entry.get("time"), (int, float)) else None
    return Recording(Exchange(request, Response(status, told, [(seconds or 0.0, data)] if data else [])), _started(entry), seconds)


def _started(entry: dict[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(entry["startedDateTime"]).replace("Z", "+00:00")).timestamp()
    except (KeyError, ValueError):
        return None
