"""Small files with dirt of the file itself, not of single records: encodings, delimiters, headers, endings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

RECORDS = 40
KEYS = ["source_record_id", "source_patient_id", "source_updated_at", "is_deleted"]
REPORT_HEADER = [*KEYS, "reported_on", "symptom_code", "severity", "body_region", "side", "perceived_cause"]
REPORT_HEADER += ["is_worse_with_heat", "is_worse_after_exertion", "recall_days"]
SCORE_HEADER = [*KEYS, "instrument_code", "instrument_version", "assessed_on", "assessed_at", "mode", "language"]
SCORE_HEADER += ["recall_days", "item_responses", "source_score"]
RATING_HEADER = [*KEYS, "source_episode_id", "evaluated_on", "purpose_code", "effectiveness", "side_effect_severity"]
RATING_HEADER += ["side_effect_codes", "adherence", "burden", "monthly_cost_band", "currency_code"]

Line = list[str]


@dataclass(frozen=True)
class DirtyFile:
    """One file, what is wrong with it, and how many complete records it holds."""

    path: Path
    table: str
    kind: str
    records: int
    is_readable: bool  # False: as a whole not to be taken with the canonical settings


def write_dirty_files(folder: Path, seed: int = 20250101) -> tuple[DirtyFile, ...]:
    """One file per kind, named `<table>-<kind>.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    g = np.random.Generator(np.random.Philox(key=[seed + 1, 2**40]))  # no block has this number
    reports = [REPORT_HEADER, *(_report(g, number) for number in range(RECORDS))]
    scores = [SCORE_HEADER, *(_score(g, number) for number in range(RECORDS))]
    ratings = [RATING_HEADER, *(_rating(g, number) for number in range(RECORDS))]
    files: list[DirtyFile] = []

    def add(table: str, kind: str, content: bytes, records: int = RECORDS, is_readable: bool = True) -> None:
        path = folder / f"{table}-{kind}.csv"
        path.write_bytes(content)
        files.append(DirtyFile(path, table, kind, records, is_readable))

    plain = _csv(reports).encode()
    severity = REPORT_HEADER.index("severity")
    comma_scores = [[*line[:-1], line[-1].replace(".", ",")] for line in scores]
    add("outcome_assessment", "semicolon", _csv(comma_scores, ";").encode(), is_readable=False)
    add("symptom_report", "tab", _csv(reports, "\t").encode(), is_readable=False)
    add("treatment_evaluation", "cp1252", _csv(ratings).encode("cp1252"), is_readable=False)
    add("symptom_report", "utf16", _csv(reports).encode("utf-16"), is_readable=False)
    add("symptom_report", "bom", b"\xef\xbb\xbf" + plain)
    add("symptom_report", "reordered-header", _csv([[*line[:4], *line[:3:-1]] for line in reports]).encode())
    add("symptom_report", "header-case", _csv([_loud(REPORT_HEADER), *reports[1:]]).encode())
    add("symptom_report", "missing-column", _csv(_without(reports, severity)).encode(), is_readable=False)
    duplicated = [[*line, line[severity]] for line in reports]
    add("symptom_report", "duplicated-column", _csv(duplicated).encode(), is_readable=False)
    unknown = [[*line, word] for line, word in zip(reports, ["mood", *["calm"] * RECORDS], strict=True)]
    add("symptom_report", "unknown-column", _csv(unknown).encode())
    add("symptom_report", "trailing-column", plain.replace(b"\n", b",\n"))
    add("symptom_report", "truncated", plain[: plain.rindex(b"\n", 0, -1) + 25], RECORDS - 1)
    add("symptom_report", "crlf", plain.replace(b"\n", b"\r\n"))
    add("symptom_report", "zero-rows", _csv(reports[:1]).encode(), 0)
    add("symptom_report", "empty", b"", 0, is_readable=False)
    total = ["Total", "", "", "", "", "", str(RECORDS), *[""] * (len(REPORT_HEADER) - 7)]
    add("symptom_report", "totals-row", _csv([*reports, total]).encode(), RECORDS)
    broken = plain.replace(b"fatigue", b"fatigu\xe9", 1)
    add("symptom_report", "invalid-bytes", broken, is_readable=False)
    quoted = [[*line[:-1], f'"{line[-1]}\n"'] for line in reports[1:]]
    add("symptom_report", "quoted-newline", _csv([REPORT_HEADER, *quoted]).encode())
    return tuple(files)


def _csv(lines: Sequence[Line], delimiter: str = ",") -> str:
    return "".join(delimiter.join(line) + "\n" for line in lines)


def _loud(header: Line) -> Line:
    changes: tuple[Callable[[str], str], ...] = (
        str.upper,
        lambda word: f" {word} ",
        lambda word: word.replace("_", " "),
    )
    return [changes[place % 3](word) for place, word in enumerate(header)]


def _without(lines: Sequence[Line], place: int) -> list[Line]:
    return [[*line[:place], *line[place + 1 :]] for line in lines]


def _keys(number: int) -> Line:
    return [f"X-{number:03d}", f"P{number % 8 + 1:07d}", f"2025-03-{number % 28 + 1:02d}T09:00:00Z", "false"]


def _report(g: np.random.Generator, number: int) -> Line:
    code = ("muscle_weakness", "fatigue")[number % 2]
    region = ("legs", "whole_body")[number % 2]
    day = f"2025-02-{number % 28 + 1:02d}"
    return [*_keys(number), day, code, str(g.integers(0, 4)), region, "both", "unknown", "true", "false", "7"]


def _score(g: np.random.Generator, number: int) -> Line:
    items = g.integers(1, 6, 12)
    score = f"{(items.sum() - 12) / 48 * 100:.2f}"
    day = f"2025-02-{number % 28 + 1:02d}"
    return [*_keys(number), "msws_12", "v1", day, "", "web", "en", "14", "|".join(map(str, items)), score]


def _rating(g: np.random.Generator, number: int) -> Line:
    word = "Can\u2019t tell" if number % 4 == 0 else ("major", "slight", "none")[g.integers(0, 3)]
    rest = ["none", "", "always", "none", "lt25", "EUR"]
    return [
        *_keys(number),
        f"TE-P{number % 8 + 1:07d}-000",
        f"2025-02-{number % 28 + 1:02d}",
        "muscle_weakness",
        word,
        *rest,
    ]
