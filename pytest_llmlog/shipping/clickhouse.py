"""Records into a ClickHouse table, over its HTTP interface."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from pytest_llmlog.errors import ConfigError
from pytest_llmlog.query import sql
from pytest_llmlog.shipping.formats import Record, flat

TIMEOUT = 60


def insertion(records: Sequence[Record], table: str) -> tuple[str, bytes]:
    """The query that inserts records, and the data behind it."""
    rows = (json.dumps(flat(record), ensure_ascii=False).encode() for record in records)
    return f"INSERT INTO {table} FORMAT JSONEachRow", b"\n".join(rows)


class Sender:
    """Inserts records into a table, which is made if it is not there; one that comes twice is one after a merge.

    Args:
        endpoint: ``http://user:password@host:8123/?database=logs``.
        table: its name.
    """

    def __init__(self, endpoint: str, table: str) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("--endpoint: expected http://host:8123 or https://host:8443, ClickHouse's HTTP interface")
        host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._url = urlunsplit((parts.scheme, host, parts.path or "/", "", ""))
        self._query, self._table = dict(parse_qsl(parts.query)), table
        self._headers = (
            {"X-ClickHouse-User": parts.username or "", "X-ClickHouse-Key": parts.password or ""} if parts.username else {}
        )
        self._ask(sql.clickhouse_table(table), b"")

    def send(self, records: Sequence[Record]) -> None:
        """Insert a batch.

        Raises:
            ConfigError: it was not taken.
        """
        self._ask(*insertion(records, self._table))

    def _ask(self, query: str, data: bytes) -> None:
        url = f"{self._url}?{urlencode({**self._query, 'query': query})}"
        try:
            with urlopen(Request(url, data, self._headers, method="POST"), timeout=TIMEOUT) as answer:
                answer.read()
        except HTTPError as exc:
            raise ConfigError(f"--to clickhouse: {exc.code}: {exc.read(500).decode('utf-8', 'replace').strip()}") from exc
        except (URLError, OSError) as exc:
            raise ConfigError(f"--to clickhouse: {getattr(exc, 'reason', exc)}") from exc

    def close(self) -> None:
        """Nothing is kept open."""
