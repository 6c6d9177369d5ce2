"""The rules of the instruments as rows of tables, so that SQL scores by the same files as `schemas.instruments.score`.

Nothing about an instrument stands in SQL: what is here is read from the YAML files, the only list of rules. Numbers that
are no whole numbers (20.2, 1.5) are given as numerator and denominator, for they are compared exactly.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from schemas.instruments import Instrument, Number, Scale, Version, instruments
from schemas.quoting import literal

Value = str | int | bool | None | Sequence[int] | Sequence[str]


def scale_rows() -> str:
    """One row a scale and version, or a scale alone where an instrument has no versions, as a list of VALUES."""
    return _values(row for known in instruments() for row in _scales(known))


def threshold_rows() -> str:
    """One row a threshold: code, scale, name, numerator, denominator, whether it is a ratio, standing, source, note."""
    return _values(
        (known.code, scale.name, entry.name, *_ratio(entry.value), entry.metric == "ratio", entry.standing, entry.source, entry.note)
        for known in instruments()
        for scale in known.scales.values()
        for entry in scale.thresholds
    )  # fmt: skip


def band_rows() -> str:
    """One row a part of a scale's range that has a name: code, scale, name, position, from where and below what."""
    return _values(
        (known.code, scale.name, band.name, place, *_ratio(band.at_least), *(_ratio(band.below) if band.below is not None else (None, None)))
        for known in instruments()
        for scale in known.scales.values()
        for place, band in enumerate(scale.bands, 1)
    )  # fmt: skip


def rule_version(known: Instrument, version: Version | None, scale: Scale) -> str:
    """Changes when anything does that a score of this scale depends on, and only then."""
    parts = [known.scales[name] for name in scale.scales]
    rules = [(s.method, s.items, s.missing, s.minimum, s.maximum, s.decimals) for s in (scale, *parts)]
    return hashlib.sha256(repr((version and version.items, rules)).encode()).hexdigest()[:8]


def _scales(known: Instrument) -> Iterator[tuple[Value, ...]]:
    versions: list[Version | None] = [*known.versions.values()]
    for version in versions or [None]:
        for place, scale in enumerate(known.scales.values(), 1):
            answers = version.items if version else ()
            ranges = [answers[n - 1] for n in scale.items]
            spans = [high - low for low, high in ranges]
            common = math.lcm(*spans) if spans else 1
            yield (
                known.code,
                version.name if version else None,
                scale.name,
                place,
                known.direction,
                known.unit,
                rule_version(known, version, scale),
                scale.method,
                len(answers),
                [low for low, _ in answers],
                [high for _, high in answers],
                scale.items,
                [low for low, _ in ranges],
                spans,
                [common // span for span in spans],
                common,
                sum(low for low, _ in ranges),
                sum(high for _, high in ranges),
                _needed(scale),
                scale.scales,
                scale.name == known.source_scale,
                10**scale.decimals,
                *_ratio(scale.minimum),
                *_ratio(scale.maximum),
            )


def _needed(scale: Scale) -> int | None:
    """How many items must be answered at least, so that the others may be filled in."""
    rule, count = scale.missing, len(scale.items)
    if rule is None:
        return None
    least = rule.min_count or math.ceil((rule.min_share or 1) * count)
    return count if rule.impute == "none" else max(1, least)


def _ratio(value: Number) -> tuple[int, int]:
    return Fraction(value).as_integer_ratio()


def _values(rows: Iterator[tuple[Value, ...]]) -> str:
    return ",\n    ".join(f"({', '.join(_written(value) for value in row)})" for row in rows)


def _written(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, str):
        return literal(value)
    return f"[{', '.join(_written(part) for part in value)}]"
