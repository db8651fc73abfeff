"""Cassettes of more calls than their tool records in reasonable time: of one recorded call, asked with each number, written by the tool."""

from __future__ import annotations

import json
from pathlib import Path

NUMBER = "00000000 "
"""How the first recorded question begins."""


def vcr(recorded: Path, path: Path, calls: int) -> None:
    """Write a cassette of vcrpy with the first call of another one, as often as asked for."""
    from vcr.persisters.filesystem import FilesystemPersister
    from vcr.request import Request
    from vcr.serializers import jsonserializer, yamlserializer

    serializer = jsonserializer if recorded.suffix == ".json" else yamlserializer
    requests, responses = FilesystemPersister.load_cassette(recorded, serializer)
    first, body = requests[0], requests[0].body.decode()
    bodies = [body.replace(NUMBER, f"{number:08d} ").encode() for number in range(calls)]
    grown = [Request(first.method, first.uri, each, first.headers) for each in bodies]
    FilesystemPersister.save_cassette(path, {"requests": grown, "responses": responses[:1] * calls}, serializer)


def cassetter(recorded: Path, path: Path, calls: int) -> None:
    """The same of cassetter."""
    from cassetter._core import Body, Cassette

    first = Cassette.load(str(recorded)).interactions[0]
    body, grown = json.dumps(first.request.body.content), Cassette()
    for number in range(calls):
        content = json.loads(body.replace(NUMBER, f"{number:08d} "))
        asked = first.request.replace(body=Body(first.request.body.body_type, content))
        grown.add_interaction(first.replace(request=asked))
    grown.save(str(path))
