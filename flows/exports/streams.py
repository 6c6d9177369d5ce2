"""A body while it comes, piece by piece: that it gets on, is whole, and is none for people."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

import httpx

from flows.exports.patience import AgainError, DamagedBodyError

_MOST_PIECE = 1 << 20
# A time-out says for how long nothing may come; who sends a byte now and then meets every one and never ends. So in ten times as
# long, minutes by default, a body gets on by this much a second at least: a hundredth of what an old modem brought.
_SLOW_TIMEOUTS, _LEAST_BYTES_A_SECOND = 10.0, 100.0


def getting_on(pieces: Iterator[bytes], timeout_seconds: float) -> Iterator[bytes]:
    """The pieces of a body as they come. Raises AgainError if they come so slowly that there is no end to it."""
    span, since, size = _SLOW_TIMEOUTS * timeout_seconds, time.monotonic(), 0
    for piece in pieces:
        size += len(piece)
        if (seconds := time.monotonic() - since) > span:
            if size < seconds * _LEAST_BYTES_A_SECOND:
                raise AgainError("sends its body too slowly to come to an end")
            since, size = since + seconds, 0
        yield piece


def is_page(start: bytes) -> bool:
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def unpacked(pieces: Iterator[bytes], response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces of bounded size. A packed one that ends too early is damaged: httpx would not say so."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        yield from pieces
        return
    if encoding not in ("gzip", "x-gzip"):
        raise DamagedBodyError("packs its body in a way that it was not asked for")
    unpack = zlib.decompressobj(wbits=31)
    try:
        for packed in pieces:
            rest = packed
            while rest:
                if unpack.eof:
                    unpack = zlib.decompressobj(wbits=31)
                piece = unpack.decompress(rest, _MOST_PIECE)
                rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
                if piece:
                    yield piece
    except zlib.error:
        raise DamagedBodyError("sends a body that cannot be unpacked") from None
    yield unpack.flush()
    if not unpack.eof:
        raise DamagedBodyError("sends a body that breaks off")
