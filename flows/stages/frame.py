"""The release frame: cells as they may leave, one row a figure, with the words for what they are; NULL where suppressed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from flows.errors import PipelineError
from flows.stages.cells import Cell, Statistic, remainder_key
from schemas.topics import words

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN, SUPPRESSED = "shown", "suppressed"
_WILSON, _SHARE, _COUNT = "Wilson (1927), 95 %", "share of a complete count", "count"


def publishable(
    con: duckdb.DuckDBPyConnection,
    cells: Sequence[Cell],
    hidden: frozenset[str],
    release_id: int,
    as_of_batch: int,
    as_of_at: datetime,
) -> pa.Table:
    """The frame as it may leave: of every cell a count and, if it has a denominator, a share; NULL where hidden."""
    import pyarrow as pa

    schema = frame_schema()
    if not cells:
        return schema.empty_table()
    counts = {cell.cell_key: cell.cell_count for cell in cells}
    by_key = {cell.cell_key: cell for cell in cells}
    intervals = _intervals(con, cells, counts)
    rows = []
    for cell in cells:
        whole = cell.denominator_key
        total = counts[whole] if whole is not None else None
        is_hidden = cell.is_guarded and cell.cell_key in hidden
        # A share gives away its count, its denominator and the rest: it is shown only if all three are.
        is_share_hidden = (
            cell.is_guarded and whole is not None and bool(hidden & {cell.cell_key, whole, remainder_key(cell)})
        )
        common = {
            "release_id": release_id,
            "topic": cell.topic,
            "table_id": cell.table_id,
            "cell_key": cell.cell_key,
            "subject_kind": cell.subject_kind,
            "subject": cell.subject,
            "dimension_1": cell.dimension_1,
            "value_1": cell.value_1,
            "label_1": label(cell.dimension_1, cell.value_1),
            "dimension_2": cell.dimension_2,
            "value_2": cell.value_2,
            "label_2": label(cell.dimension_2, cell.value_2) if cell.dimension_2 and cell.value_2 else None,
            "unit": cell.unit,
            "mart": cell.mart,
            "as_of_at": as_of_at,
            "as_of_batch": as_of_batch,
        }
        shown_total = None if is_hidden or (whole is not None and cell.is_guarded and whole in hidden) else total
        is_patients = cell.unit == "patients"
        rows.append(
            common
            | {
                "statistic": "count",
                "method": _COUNT,
                "state": SUPPRESSED if is_hidden else SHOWN,
                "n_patients": cell.cell_count if is_patients and not is_hidden else None,
                "denominator": shown_total,
                "value": None if is_hidden else float(cell.cell_count),
                "low": None,
                "high": None,
            }
        )
        rows += [
            common
            | _shown_statistic(found, cell, total, is_hidden=bool(hidden & _computed_back_to(cell, found, by_key)))
            for found in cell.statistics
            if cell.cell_count
        ]
        if not total:
            continue
        low, high = intervals.get((cell.cell_count, total), (None, None)) if cell.has_interval else (None, None)
        rows.append(
            common
            | {
                "statistic": "share",
                "method": _WILSON if cell.has_interval else _SHARE,
                "state": SUPPRESSED if is_share_hidden else SHOWN,
                "n_patients": cell.cell_count if is_patients and not is_share_hidden else None,
                "denominator": None if is_share_hidden else total,
                "value": None if is_share_hidden else cell.cell_count / total,
                "low": None if is_share_hidden else low,
                "high": None if is_share_hidden else high,
            }
        )
    return pa.Table.from_pylist(rows, schema=schema)


def _computed_back_to(cell: Cell, found: Statistic, by_key: Mapping[str, Cell]) -> set[str]:
    """The keys of all cells and remainders that a statistic could be computed back to."""
    keys: set[str] = set()
    for key in (cell.cell_key, *found.needs):
        if key not in by_key:
            raise PipelineError(f"release: '{found.statistic}' of '{cell.cell_key}' needs '{key}', which is no cell.")
        keys.add(key)
        if (whole := by_key[key].denominator_key) is not None:
            keys |= {whole, remainder_key(by_key[key])}
    return keys


def _shown_statistic(found: Statistic, cell: Cell, total: int | None, *, is_hidden: bool) -> dict[str, Any]:
    is_patients = cell.unit == "patients"
    return {
        "statistic": found.statistic,
        "unit": found.unit,
        "method": found.method,
        "state": SUPPRESSED if is_hidden else SHOWN,
        "n_patients": None if is_hidden or not is_patients else cell.cell_count,
        "denominator": None if is_hidden else total,
        "value": None if is_hidden else found.value,
        "low": None if is_hidden else found.low,
        "high": None if is_hidden else found.high,
    }


def _intervals(
    con: duckdb.DuckDBPyConnection, cells: Iterable[Cell], counts: dict[str, int]
) -> dict[tuple[int, int], tuple[float, float]]:
    """Wilson limits of every pair of count and denominator, by the macros the marts use."""
    pairs = sorted({(c.cell_count, counts[c.denominator_key]) for c in cells if c.has_interval and c.denominator_key})
    if not pairs:
        return {}
    found = con.execute(
        "SELECT x, n, wilson_low(x, n), wilson_high(x, n) "
        "FROM (SELECT unnest($x::BIGINT[]) AS x, unnest($n::BIGINT[]) AS n)",
        {"x": [x for x, _ in pairs], "n": [n for _, n in pairs]},
    )
    return {(x, n): (low, high) for x, n, low, high in found.fetchall()}


def frame_schema() -> pa.Schema:
    """Columns of a release frame, in the order of `ops.release_cell`."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    return pa.schema(
        [
            ("release_id", pa.int32()),
            ("topic", text),
            ("table_id", text),
            ("cell_key", text),
            ("subject_kind", text),
            ("subject", text),
            ("dimension_1", text),
            ("value_1", text),
            ("label_1", text),
            ("dimension_2", text),
            ("value_2", text),
            ("label_2", text),
            ("statistic", text),
            ("unit", text),
            ("n_patients", count),
            ("denominator", count),
            ("value", number),
            ("low", number),
            ("high", number),
            ("state", text),
            ("mart", text),
            ("method", text),
            ("as_of_at", pa.timestamp("us", tz="UTC")),
            ("as_of_batch", pa.int32()),
        ]
    )


# Dimensions whose values are codes of a list.
_CODE_LISTS = {
    "symptom": "symptom",
    "co_symptom": "symptom",
    "purpose": "symptom",
    "side_effect": "symptom",
    "treatment": "treatment",
    "next_treatment": "treatment",
    "activity": "activity",
    "instrument": "instrument",
}


def label(dimension: str, value: str) -> str:
    """The words for a value: of a topic, else of the contract or code list, else the value itself."""
    if value in (known := words().get(dimension, {})):
        return known[value]
    if dimension == "treatment for purpose":
        treatment, _, purpose = value.partition(" for ")
        what_for = "no stated purpose" if purpose == "not_stated" else _in_sentence(_code_label("symptom", purpose))
        return f"{_code_label('treatment', treatment)} for {what_for}"
    if dimension == "dose" and value != "not_stated":
        start, end, unit, period = value.split(" ")
        return f"{start} to under {end} {label('dose_unit', unit)} {label('dose_period', period)}"
    if dimension == "instrument_scale":
        from schemas.instruments import scale_label

        return scale_label(value)
    if (listed := _CODE_LISTS.get(dimension)) is not None:
        return _code_label(listed, value)
    if dimension in ("sex", "ms_course"):
        from schemas.contract import contract

        return next((a.description for a in contract("patient").column(dimension).allowed if a.value == value), value)
    return value.replace("-", "–") if dimension == "age_band" else value


def _code_label(name: str, value: str) -> str:
    from schemas.codes import code_list

    return next((entry.label for entry in code_list(name).codes if entry.code == value), value)


def _in_sentence(words: str) -> str:
    """Without the capital of a sentence's first word, unless the word is an abbreviation."""
    return words[0].lower() + words[1:] if words[1:2].islower() or len(words) == 1 else words
