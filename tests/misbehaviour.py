"""What a server may do wrong to an answer that it is about to send, whatever the protocol; each changes a `Reply`."""

import gzip
import time


def status(code, **headers):
    def change(reply):
        reply.status, reply.body = code, b"SECRET-PATIENT-1 is busy"
        reply.headers |= {name.replace("_", "-"): value for name, value in headers.items()}

    return change


def cut(reply):
    reply.cut_after = len(reply.body) // 2


def cut_off_without_a_length(reply):
    reply.is_framed = False
    cut(reply)


def no_answer(reply):
    reply.cut_after = -1


def late(reply):
    reply.pause = 1.0


def packed_and_cut(reply):
    reply.body = gzip.compress(reply.body)[:-12]
    reply.headers["Content-Encoding"] = "gzip"


def rubbish(reply):
    reply.body = reply.body[:-1]


def page_for_people(reply):
    reply.body = b"<!DOCTYPE html><html>Sign in, SECRET-PATIENT-1</html>"


def pointing_to(url):
    """The answer says that what was asked for is on another server."""

    def change(reply):
        reply.status, reply.body, reply.headers["Location"] = 307, b"", url

    return change


def trickling(reply):
    """A body that comes byte by byte: for ten seconds, and never so slowly that a time-out would notice."""

    def pieces():
        for _ in range(500):
            time.sleep(0.02)
            yield b" "

    reply.pieces = pieces()


HEALING = {
    "429": status(429),
    "429-seconds": status(429, Retry_After="0"),
    "429-date": status(429, Retry_After="Wed, 31 Dec 2025 12:00:00 GMT"),
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="0.01"),
    "504": status(504),
    "408": status(408),
    "cut": cut,
    "cut-without-a-length": cut_off_without_a_length,
    "no-answer": no_answer,
    "late": late,
    "packed-and-cut": packed_and_cut,
    "rubbish": rubbish,
}
