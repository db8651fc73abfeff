"""Content encodings undone, piece by piece."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable

import cramjam
import pytest

from pytest_llmlog import decoding
from pytest_llmlog.decoding import decode

TEXT = b"data: one\n\n" * 20 + "data: é🙂\n\n".encode() + bytes(range(256))


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


KINDS = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("identity", bytes),
]
each_kind = pytest.mark.parametrize(("name", "compress"), KINDS, ids=["gzip", "x-gzip", "zlib", "raw", "identity"])
Compress = Callable[[bytes], bytes]


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("name", ["br", "zstd"])
def test_brotli_and_zstandard_with_and_without_their_libraries(name: str, installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed:
        for library in ("brotli", "brotlicffi", "zstandard", "compression", "compression.zstd"):
            monkeypatch.setitem(sys.modules, library, None)
    data = bytes({"br": cramjam.brotli, "zstd": cramjam.zstd}[name].compress(TEXT))
    assert decode([(0.5, data)], name) == [(0.5, TEXT)]
    assert whole(decode([(float(at), data[at : at + 7]) for at in range(0, len(data), 7)], name)) == TEXT
    assert decode([(0.5, b"not this encoding at all")], name) is None
    assert whole(decode([(0.5, gzip.compress(data))], f"{name}, gzip")) == TEXT


def whole(pieces: list[tuple[float, bytes]] | None) -> bytes | None:
    return None if pieces is None else b"".join(piece for _, piece in pieces)


@each_kind
def test_one_piece(name: str, compress: Compress) -> None:
    assert decode([(0.5, compress(TEXT))], name) == [(0.5, TEXT)]


@each_kind
def test_cut_in_two_anywhere(name: str, compress: Compress) -> None:
    data = compress(TEXT)
    bad = [cut for cut in range(1, len(data)) if whole(decode([(0.1, data[:cut]), (0.2, data[cut:])], name)) != TEXT]
    assert bad == []


@each_kind
def test_one_byte_a_piece(name: str, compress: Compress) -> None:
    data = compress(TEXT)
    assert whole(decode([(float(index), data[index : index + 1]) for index in range(len(data))], name)) == TEXT


@each_kind
def test_an_empty_piece_first(name: str, compress: Compress) -> None:
    assert decode([(0.1, b""), (0.2, compress(TEXT)), (0.3, b"")], name) == [(0.2, TEXT)]


@pytest.mark.parametrize("wbits", [zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS], ids=["gzip", "zlib", "raw"])
def test_flushed_pieces_keep_their_times(wbits: int) -> None:
    compressor = zlib.compressobj(wbits=wbits)
    pieces = [(at, compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)) for at, text in ((0.1, b"one"), (0.2, b"two"))]
    pieces.append((0.3, compressor.flush()))
    name = "gzip" if wbits > zlib.MAX_WBITS else "deflate"
    assert decode(pieces, name) == [(0.1, b"one"), (0.2, b"two")]


@pytest.mark.parametrize("name", ["GZip", " gzip ", "gzip, identity", "identity,gzip"])
def test_names_are_read_as_http_writes_them(name: str) -> None:
    assert decode([(0.1, gzip.compress(TEXT))], name) == [(0.1, TEXT)]


def test_encodings_are_undone_from_the_last() -> None:
    data = gzip.compress(zlib.compress(TEXT))
    assert decode([(0.1, data)], "deflate, gzip") == [(0.1, TEXT)]
    assert decode([(0.1, data)], "gzip, deflate") is None


@pytest.mark.parametrize("name", ["unknown", "gzip, unknown", "compress"])
def test_an_unknown_encoding_is_none(name: str) -> None:
    assert decode([(0.1, gzip.compress(TEXT))], name) is None


@pytest.mark.parametrize("name", ["gzip", "deflate"])
@pytest.mark.parametrize("data", [b"plain text, not compressed", b"\xff" * 20, b"<html>"])
def test_what_is_not_encoded_so_is_none(name: str, data: bytes) -> None:
    assert decode([(0.1, data)], name) is None


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_broken_middle_is_none(name: str, compress: Compress) -> None:
    data = bytearray(compress(TEXT))
    data[12:20] = b"\xff" * 8
    assert decode([(0.1, bytes(data))], name) is None


@pytest.mark.parametrize("name", ["gzip", "deflate", "identity"])
def test_nothing_decodes_to_nothing(name: str) -> None:
    assert decode([], name) == []
    assert decode([(0.1, b"")], name) == []


def test_a_stream_cut_short_gives_what_came() -> None:
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    first = compressor.compress(b"one") + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert decode([(0.1, first)], "gzip") == [(0.1, b"one")]


def bomb(encoding: str) -> bytes:
    """A few thousand bytes, or hundreds, that stand for 20 MB."""
    data = bytes(20_000_000)
    if encoding == "br":
        import brotli

        return bytes(brotli.compress(data))
    if encoding == "zstd":
        import zstandard

        return zstandard.compress(data)
    return zlib.compress(data) if encoding == "deflate" else gzip.compress(data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_body_that_unpacks_to_too_much_is_left_packed(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    packed = bomb(encoding.split(",")[0])
    packed = gzip.compress(packed) if "," in encoding else packed
    assert len(decoding.decode([(0.0, packed)], encoding)[0][1]) == 20_000_000  # type: ignore[index]
    monkeypatch.setattr(decoding, "LIMIT", 10_000_000)
    assert decoding.decode([(0.0, packed)], encoding) is None


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_a_whole_decoder_stops_at_the_limit_too(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    whole = decoding._Whole(getattr(cramjam, {"br": "brotli"}.get(encoding, encoding)).decompress_into)
    assert len(whole(bomb(encoding))) == 20_000_000
    assert whole(b"") == b""
    monkeypatch.setattr(decoding, "LIMIT", 10_000_000)
    with pytest.raises(cramjam.DecompressionError):
        whole(bomb(encoding))
