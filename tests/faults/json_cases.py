"""JSON that is made, or has come to be, to break a reader: name, what the source says, content, and what it ends in."""

import gzip
import json

from canonical import record

OBJECTS = [json.dumps(record("consent", f"c{n}")) for n in range(40)]
ONE = OBJECTS[0]
LINES = "".join(f"{text}\n" for text in OBJECTS)
ARRAY = "[" + ",\n".join(OBJECTS) + "]"
BUNDLE = '{"total": 40, "entry": [' + ",".join(f'{{"n": 1, "resource": {text}}}' for text in OBJECTS) + "]}"
IN_BUNDLE = "records: '$.entry[*].resource'"


def with_member(name, value, of=ONE):
    return of[:-1] + f', "{name}": {value}}}'


def lines(*more):
    return LINES + "".join(f"{text}\n" for text in more)


def array(*more):
    return ARRAY[:-1] + "".join(f",{text}" for text in more) + "]"


DEEP = with_member("x", "[" * 5000 + "]" * 5000)
DEEP_OBJECTS = with_member("x", '{"a":' * 200_000 + "1" + "}" * 200_000)
TWICE = with_member("source_patient_id", '"somebody else"')
TWICE_INSIDE = with_member("x", '{"a": 1, "a": 2}')

ALL, ONE_REFUSED = (40, 40, 0), (41, 40, 1)
NDJSON = [
    ("plain", LINES, "admitted", ALL),
    ("mark", b"\xef\xbb\xbf" + LINES.encode(), "admitted", ALL),
    ("utf16", LINES.encode("utf-16"), "admitted", ALL),
    ("crlf", LINES.replace("\n", "\r\n"), "admitted", ALL),
    ("blank-lines", "\n \n" + LINES.replace("\n", "\n\n\t\n"), "admitted", ALL),
    ("no-line-break-at-the-end", LINES.removesuffix("\n"), "admitted", ALL),
    ("gzip", gzip.compress(LINES.encode()), "admitted", ALL),
    ("cut-off", LINES[:-30], "held", None),
    ("broken-line", lines('{"a": '), "admitted", ONE_REFUSED),
    ("two-objects-a-line", lines(ONE + ONE), "admitted", ONE_REFUSED),
    ("array", lines("[1, 2]"), "admitted", ONE_REFUSED),
    ("text", lines('"x"'), "admitted", ONE_REFUSED),
    ("number", lines("1"), "admitted", ONE_REFUSED),
    ("null", lines("null"), "admitted", ONE_REFUSED),
    ("empty-object", lines("{}"), "admitted", ONE_REFUSED),
    ("html", "<html><body>Sign in</body></html>\n", "held", None),
    ("deep", lines(DEEP), "admitted", ONE_REFUSED),
    ("deep-objects", lines(DEEP_OBJECTS), "admitted", ONE_REFUSED),
    ("not-so-deep", lines(with_member("x", "[" * 90 + "]" * 90, ONE.replace("c0", "d"))), "admitted", (41, 41, 0)),
    ("key-twice", lines(TWICE), "admitted", ONE_REFUSED),
    ("key-twice-inside", lines(TWICE_INSIDE), "admitted", ONE_REFUSED),
    ("key-twice-escaped", lines(with_member("source_patient\\u005fid", '"x"')), "admitted", ONE_REFUSED),
    ("huge-number", lines(with_member("x", "9" * 100_000, ONE.replace("c0", "d"))), "admitted", (41, 41, 0)),
    ("huge-exponent", lines(with_member("x", "1e999999999", ONE.replace("c0", "d"))), "admitted", (41, 41, 0)),
    ("not-a-number", lines(with_member("x", "NaN")), "admitted", ONE_REFUSED),
    ("infinity", lines(with_member("x", "-Infinity")), "admitted", ONE_REFUSED),
    ("half-a-surrogate", lines(with_member("x", '"\\ud800"')), "admitted", ONE_REFUSED),
    ("nul-escaped", lines(with_member("x", '"a\\u0000b"')), "admitted", ONE_REFUSED),
    ("nul", LINES.encode() + b"\0\n", "unreadable", None),
    ("invalid-utf8", LINES.encode() + b'{"x": "\xff"}\n', "unreadable", None),
    ("line-of-17-mb", lines(with_member("x", '"' + "y" * (17 << 20) + '"')), "admitted", ONE_REFUSED),
    ("3000-members", lines(ONE[:-1] + "".join(f', "m{n}": 1' for n in range(3000)) + "}"), "unreadable", None),
    ("hostile-members", lines(with_member("x'; DROP TABLE ops.file; --", '"=1+1"', ONE.replace("c0", "d"))), "admitted", (41, 41, 0)),
    ("member-missing", LINES.replace("source_patient_id", "somebody"), "unreadable", None),
    ("empty", "", "unreadable", None),
    ("only-blank-lines", "\n\n \n", "admitted", (0, 0, 0)),
    ("csv", "a,b\n1,2\n", "held", None),
]  # fmt: skip
DOCUMENTS = [
    ("plain", ARRAY, "admitted", ALL),
    ("mark", b"\xef\xbb\xbf" + ARRAY.encode(), "admitted", ALL),
    ("blanks-around", f" \r\n\t{ARRAY}\n\n", "admitted", ALL),
    ("no-records", "[]", "admitted", (0, 0, 0)),
    ("cut-off", ARRAY[:-100], "unreadable", None),
    ("not-closed", ARRAY[:-1], "unreadable", None),
    ("more-behind", ARRAY + "]", "unreadable", None),
    ("comma-at-the-end", ARRAY[:-1] + ",]", "unreadable", None),
    ("comma-missing", ARRAY.replace(",\n", "\n", 1), "unreadable", None),
    ("object-where-a-list-is-due", ONE, "unreadable", None),
    ("html", "<html><body>Sign in</body></html>", "unreadable", None),
    ("other-elements", array("1", '"x"', "null", "[]"), "admitted", (44, 40, 4)),
    ("deep", array(DEEP), "admitted", ONE_REFUSED),
    ("deep-objects", array(DEEP_OBJECTS), "admitted", ONE_REFUSED),
    ("deep-and-not-closed", array("[" * 5000), "unreadable", None),
    ("deep-around", "[" * 100_000 + "]" * 100_000, "held", None),
    ("key-twice", array(TWICE), "admitted", ONE_REFUSED),
    ("key-twice-with-brackets-in-texts", array(TWICE_INSIDE[:-1] + ', "y": "]}\\"]"}'), "admitted", ONE_REFUSED),
    ("not-a-number", array(with_member("x", "NaN")), "unreadable", None),
    ("half-a-surrogate", array(with_member("x", '"\\ud800"')), "held", None),
    ("nul-escaped", array(with_member("x", '"a\\u0000b"')), "admitted", ONE_REFUSED),
    ("huge-number", array(with_member("x", "9" * 100_000, ONE.replace("c0", "d"))), "admitted", (41, 41, 0)),
    ("65-mb", array(with_member("x", '"' + "y" * (65 << 20) + '"')), "unreadable", None),
]  # fmt: skip
BUNDLES = [
    ("plain", BUNDLE, "admitted", ALL),
    ("no-such-list", '{"error": "sign in first"}', "unreadable", None),
    ("list-twice", BUNDLE[:-1] + ', "entry": []}', "unreadable", None),
    ("entry-without-a-resource", BUNDLE[:-2] + ', {"n": 2}]}', "admitted", ONE_REFUSED),
    ("resource-is-no-object", BUNDLE[:-2] + ', {"resource": 2}]}', "admitted", ONE_REFUSED),
    ("resource-twice", BUNDLE[:-2] + ', {"resource": 2, "resource": 3}]}', "admitted", ONE_REFUSED),
    ("members-around", '{"a": [{"entry": 1}, "}"], ' + BUNDLE[1:-1] + ', "z": {"entry": []}}', "admitted", ALL),
]
CASES = [
    *((f"ndjson-{name}", "format: ndjson", *rest) for name, *rest in NDJSON),
    *((f"json-{name}", "format: json", *rest) for name, *rest in DOCUMENTS),
    *((f"bundle-{name}", f"format: json\n{IN_BUNDLE}", *rest) for name, *rest in BUNDLES),
    ("object-plain", "format: json\nrecords: $", ONE, "admitted", (1, 1, 0)),
    ("object-more-behind", "format: json\nrecords: $", ONE + ONE, "unreadable", None),
]
