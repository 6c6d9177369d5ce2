"""What the writers of the ten tables share: records as Arrow columns, and draws that several tables must agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from flows.cohort import model
from flows.cohort.model import Block, Flags, Ints

# Each its own: a stream more changes none of the others.
RECORD_STREAM, OTHER_TREATMENT_STREAM, ENROLMENT_STREAM, RELAPSE_STREAM, COUNTRY_STREAM, SWITCH_STREAM = range(1, 7)
DAY_SECONDS = 86_400
EXPORTED_AT = (model.END_DAY + 6) * DAY_SECONDS  # seconds since 1970: nothing is known later than this
ENROLMENT_DAYS = 60  # patients enrol within so many days before the first month

PRECISIONS = ("day", "month", "year")
COUNTRIES = ("US", "GB", "CA", "DE", "AU", "FR", "ES", "IT", "NL", "SE", "CH", "AT")
COUNTRY_SHARES = (0.46, 0.15, 0.09, 0.09, 0.06, 0.04, 0.03, 0.02, 0.02, 0.02, 0.01, 0.01)
LANGUAGES = ("en", "en", "en", "de", "en", "fr", "es", "it", "nl", "sv", "de", "de")
CURRENCIES = ("USD", "GBP", "CAD", "EUR", "AUD", "EUR", "EUR", "EUR", "EUR", "SEK", "CHF", "EUR")


@dataclass(frozen=True)
class Rows:
    """Records of one table, ordered by patient."""

    table: str
    patient: Ints  # (n,) number of the patient in the cohort
    record_id: pa.Array  # (n,) text
    updated_at: Ints  # (n,) seconds since 1970, UTC
    is_deleted: Flags  # (n,)
    columns: Mapping[str, pa.Array]  # each (n,)

    def __len__(self) -> int:
        return len(self.patient)

    def take(self, rows: Ints | Flags) -> Rows:
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        index = pa.array(chosen)
        return Rows(
            self.table,
            self.patient[chosen],
            self.record_id.take(index),
            self.updated_at[chosen],
            self.is_deleted[chosen],
            {name: column.take(index) for name, column in self.columns.items()},
        )


def pick(words: Sequence[str], position: Ints, missing: Flags | None = None) -> pa.Array:
    """Words by position; missing ones are NULL.

    >>> pick(("left", "right"), np.array([1, 0, 1]), np.array([False, True, False])).to_pylist()
    ['right', None, 'right']
    """
    return pa.array(words, pa.string()).take(pa.array(position.astype(np.int32), mask=missing))


def constant(word: str, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(word, pa.string()), length)


def dates(day: Ints, missing: Flags | None = None) -> pa.Array:
    return pa.array(day.astype(np.int32), pa.int32(), mask=missing).cast(pa.date32())


def whole(values: NDArray[np.generic], missing: Flags | None = None) -> pa.Array:
    return pa.array(np.asarray(values).astype(np.int32), mask=missing)


def draw(g: np.random.Generator, shares: Sequence[float], size: int) -> Ints:
    """Positions drawn by their shares (which add up to 1), (size,)."""
    return np.minimum(np.searchsorted(np.cumsum(shares), g.random(size), side="right"), len(shares) - 1)


def patient_ids(patient: Ints) -> pa.Array:
    """The source's ids of patients by their number in the cohort.

    >>> patient_ids(np.array([0, 41])).to_pylist()
    ['P0000001', 'P0000042']
    """
    return joined("P", pc.utf8_lpad(pa.array(patient + 1).cast(pa.string()), 7, "0"), separator="")


def joined(*parts: pa.Array | str, separator: str = "-") -> pa.Array:
    return pc.binary_join_element_wise(*parts, separator)


def numbered(size: int) -> tuple[str, ...]:
    return tuple(f"{number:03d}" for number in range(size))


def answers(items: Ints, is_answered: Flags) -> pa.Array:
    """Item answers 0 to 9 as `3|4||1`: a skipped one is an empty slot. (n, items) -> (n,) text.

    The text is laid out as one byte matrix, since joining twelve columns of strings takes ten times as long.
    """
    rows, count = items.shape
    text = np.full((rows, 2 * count - 1), ord("|"), np.uint8)
    text[:, ::2] = np.where(is_answered, items + ord("0"), 0)
    is_kept = text > 0
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(is_kept.sum(1), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text[is_kept])]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def split_sum(g: np.random.Generator, total: Ints, count: int, lowest: int, highest: int) -> Ints:
    """Whole answers between `lowest` and `highest` that add up to `total`, (n,) -> (n, count), count even or odd."""
    base = np.repeat(total[:, None] // count, count, axis=1)
    rank = np.argsort(g.random((len(total), count)), axis=1)
    items = base + (rank < (total % count)[:, None])
    # People do not answer all items alike: move one point within each pair of neighbours where the range allows.
    for left in range(0, count - 1, 2):
        step = g.integers(-1, 2, len(total))
        up, down = items[:, left] + step, items[:, left + 1] - step
        fits = (np.minimum(up, down) >= lowest) & (np.maximum(up, down) <= highest)
        items[:, left], items[:, left + 1] = (
            np.where(fits, up, items[:, left]),
            np.where(fits, down, items[:, left + 1]),
        )
    return items


def known_after(g: np.random.Generator, day: Ints, days: float = 3.0) -> Ints:
    """Seconds since 1970 at which a record of that day reached the platform, never after the export."""
    moment = (day + 1) * DAY_SECONDS + (g.random(len(day)) * days * DAY_SECONDS).astype(np.int64)
    return np.minimum(moment, EXPORTED_AT - DAY_SECONDS)


def rows_of(
    table: str,
    prefix: str,
    block: Block,
    who: Ints,
    suffix: pa.Array | None,
    updated_at: Ints,
    columns: Mapping[str, pa.Array],
) -> Rows:
    """`who` is the position in the block, (n,). The id is made of patient and place, so it never moves."""
    ids = patient_ids(block.patient).take(pa.array(who))
    record_id = joined(prefix, ids) if suffix is None else joined(prefix, ids, suffix)
    return Rows(table, block.patient[who], record_id, updated_at, np.zeros(len(who), bool), dict(columns))


def instants(second: Ints, missing: Flags | None = None) -> pa.Array:
    """`2025-01-31T07:30:00Z`, of seconds since 1970; whole minutes. Arrow's own rendering has no T."""
    day, rest = np.divmod(second, DAY_SECONDS)
    minutes = tuple(f"{minute // 60:02d}:{minute % 60:02d}:00Z" for minute in range(24 * 60))
    return joined(dates(day).cast(pa.string()), pick(minutes, rest // 60, missing), separator="T")


def scatter(parts: Sequence[tuple[Flags, pa.Array]], length: int) -> pa.Array:
    """One column out of pieces which belong to complementary masks."""
    place = np.empty(length, np.int64)
    filled = 0
    for mask, piece in parts:
        place[mask] = filled + np.arange(len(piece))
        filled += len(piece)
    return pa.concat_arrays([piece for _, piece in parts]).take(pa.array(place))


def enrolment(seed: int, block: Block) -> Ints:
    g = model.open_stream(seed, number_of(block), ENROLMENT_STREAM)
    days: Ints = model.MONTH_STARTS[0] - 1 - g.integers(0, ENROLMENT_DAYS, len(block.patient))
    return days


def number_of(block: Block) -> int:
    return int(block.patient[0]) // model.BLOCK_SIZE


def last_seen(block: Block, fallback: Ints) -> Ints:
    days: Ints = np.maximum((block.reported_on * block.is_seen).max(axis=1), fallback)
    return days


def blur_dates(day: Ints, g: np.random.Generator, shares: Sequence[float]) -> tuple[Ints, Ints]:
    """Dates of which some people know only the month or the year: first day of the known part, and its precision."""
    precision = draw(g, shares, len(day))
    month = day.astype("M8[D]").astype("M8[M]").astype("M8[D]").astype(np.int64)
    year = day.astype("M8[D]").astype("M8[Y]").astype("M8[D]").astype(np.int64)
    return np.select([precision == 1, precision == 2], [month, year], day), precision
