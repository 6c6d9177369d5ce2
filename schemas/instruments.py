"""Instruments: how each is scored and from where a change counts. `score` is the reference SQL is tested against."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, get_args

import yaml

from schemas.codes import Code, CodeList
from schemas.reading_yaml import SafeLoader

Number = int | Fraction
Direction = Literal["higher_worse", "higher_better", "unknown"]
Method = Literal["sum_scaled", "mean", "sum", "single", "sum_of_scales", "source_only"]
Impute = Literal["person_mean", "scaled_mean", "none"]
# published: as the source says.  borrowed: published for something else.  uncertain: not read in a source.
Standing = Literal["published", "borrowed", "uncertain", "convention"]


@dataclass(frozen=True)
class Threshold:
    """From where a change counts: `points` of the score, or a `ratio` of the patient's own earlier score."""

    name: str
    value: Number
    metric: Literal["points", "ratio"]
    standing: Standing
    source: str
    note: str = ""


@dataclass(frozen=True)
class Band:
    """A part of the score's range with a name; without `below` it reaches to the end."""

    name: str
    at_least: Number
    source: str
    below: Number | None = None
    note: str = ""


@dataclass(frozen=True)
class MissingRule:
    """How many items must be answered (a share or a number), and what stands for the others."""

    impute: Impute
    min_share: Number | None = None
    min_count: int | None = None
    standing: Standing = "published"


@dataclass(frozen=True)
class Scale:
    """One score of an instrument. `decimals` are the places to which a score that only the source gives is read.

    `label` are the words for the scale where its name is none.
    """

    name: str
    method: Method
    minimum: Number
    maximum: Number
    items: tuple[int, ...] = ()
    scales: tuple[str, ...] = ()
    missing: MissingRule | None = None
    thresholds: tuple[Threshold, ...] = ()
    bands: tuple[Band, ...] = ()
    decimals: int = 6
    label: str = ""


@dataclass(frozen=True)
class Version:
    """The least and greatest answer of each item; item 1 is the first."""

    name: str
    items: tuple[tuple[int, int], ...]
    source: str
    standing: Standing


@dataclass(frozen=True)
class Instrument:
    """An instrument; `source_scale` is the scale of a score that a source delivers without saying of what."""

    code: str
    name: str
    measures: str
    direction: Direction
    licence: str
    licence_source: str
    validated_in: str
    versions: dict[str, Version]
    scales: dict[str, Scale]
    synonyms: tuple[str, ...] = ()
    recall_days: int | None = None
    unit: str = "points"
    source_scale: str | None = None
    items_text: tuple[str, ...] = ()
    notes: str = ""
    loinc: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """`value` is exact; round it only for people. A difference compared with a threshold is compared unrounded."""

    value: Fraction | None = None
    is_prorated: bool = False
    is_scorable: bool = False


def score(code: str, version: str | None, scale: str, responses: Sequence[int | None]) -> Score:
    """The score of one scale, by the instrument's own rule.

    Not scorable: a version that is unknown or left open, a wrong number of responses, an answer outside its item's
    range, too many items left out. A scale that does not exist is a mistake of the caller: KeyError.
    """
    known = instrument(code)
    wanted = known.scales[scale]
    # Without a name it is the only version; among several that leaves open which one was answered.
    name = next(iter(known.versions)) if version is None and len(known.versions) == 1 else version
    items = known.versions.get((name or "").strip().lower())
    if wanted.method == "source_only" or items is None or len(responses) != len(items.items):
        return Score()
    if any(x is not None and not low <= x <= high for x, (low, high) in zip(responses, items.items, strict=True)):
        return Score()
    if wanted.method == "sum_of_scales":
        parts = [score(code, version, part, responses) for part in wanted.scales]
        total = sum((part.value or Fraction(0) for part in parts), Fraction(0))
        summed = Score(total, any(part.is_prorated for part in parts), True)
        return summed if all(part.is_scorable for part in parts) else Score()
    return _score_items(wanted, [(responses[n - 1], *items.items[n - 1]) for n in wanted.items])


def _score_items(scale: Scale, items: list[tuple[int | None, int, int]]) -> Score:
    places = [Fraction(x - low, high - low) for x, low, high in items if x is not None]
    is_prorated = len(places) < len(items)
    rule = scale.missing
    if rule is None or not places or (is_prorated and rule.impute == "none"):
        return Score()
    if len(places) < (rule.min_count or math.ceil((rule.min_share or 1) * len(items))):
        return Score()
    # An item left out gets the mean place of the others within their ranges: where all ranges are the same that is the
    # mean of the raw answers; where they are not, a raw mean would give an item of 1 to 3 an answer of 4.
    mean = sum(places, Fraction(0)) / len(places)
    total = sum((Fraction(x) if x is not None else low + mean * (high - low) for x, low, high in items), Fraction(0))
    least, most = sum(low for _, low, _ in items), sum(high for _, _, high in items)
    by_method = {"mean": total / len(items), "sum_scaled": (total - least) * 100 / (most - least)}
    return Score(by_method.get(scale.method, total), is_prorated, True)


@cache
def instrument(code: str) -> Instrument:
    """The instrument of that code, checked. KeyError if there is none, ValueError naming the file if it is wrong."""
    file = files(__package__).joinpath("instruments", f"{code}.yaml")
    if not file.is_file():
        raise KeyError(f"no instrument '{code}'; there are: {', '.join(_codes())}")
    return read_instrument(file, code)


def scale_label(series: str) -> str:
    """The words for a scale as reports name it: code, version, scale, and `source` where the source scored it.

    >>> scale_label("msws_12 v1 total")
    '12-item Multiple Sclerosis Walking Scale, version 1'
    >>> scale_label("mfis v1 physical")
    'Modified Fatigue Impact Scale: physical'
    >>> scale_label("promis_fatigue 8a t_score")
    'PROMIS Fatigue, version 8a'
    """
    code, version, name, *scorer = series.split(" ")
    known = instrument(code)
    words = known.name
    if len(known.versions) != 1 and version != "unstated":
        words += f", version {version.removeprefix('v')}"
    if len(known.scales) > 1:
        words += f": {known.scales[name].label or name}"
    return words + (", as the source scored it" if scorer else "")


def scale_named(series: str) -> Scale:
    """The scale that reports name so, whoever scored it: see `scale_label`. KeyError if there is none.

    >>> scale_named("msws_12 v1 total source").maximum
    100
    """
    code, _, name, *_ = series.split(" ")
    return instrument(code).scales[name]


def instruments() -> tuple[Instrument, ...]:
    """All instruments, by code."""
    return tuple(instrument(code) for code in _codes())


def instrument_list() -> CodeList:
    """The instruments as a code list: what `instrument_code` may hold."""
    return CodeList("instrument", tuple(_entry(i) for i in instruments()))


def _entry(known: Instrument) -> Code:
    codes = {"loinc": known.loinc} if known.loinc else {}
    return Code(known.code, known.name, known.measures, known.synonyms, codes)


def item_count(known: Instrument) -> int | None:
    """How many items it has; None if it has none, or its versions differ."""
    counts = {len(version.items) for version in known.versions.values()}
    return counts.pop() if len(counts) == 1 else None


class _ExactLoader(SafeLoader):
    """Reads a number as it is written: 20.2, not the nearest binary number."""


_ExactLoader.add_constructor("tag:yaml.org,2002:float", lambda _, node: Fraction(node.value))


def _codes() -> list[str]:
    entries = files(__package__).joinpath("instruments").iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def read_instrument(file: Traversable, code: str) -> Instrument:
    """The instrument in one YAML file, wherever it stands."""
    try:
        found = _instrument(code, yaml.load(file.read_text(encoding="utf-8"), _ExactLoader))  # noqa: S506
        for fault in _faults(found):
            raise ValueError(fault)
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, yaml.YAMLError) as exc:
        raise ValueError(f"schemas/instruments/{file.name}: {type(exc).__name__}: {exc}") from exc
    return found


def _instrument(code: str, given: dict[str, Any]) -> Instrument:
    licence = given.pop("licence")
    given["versions"] = {name: _version(name, **entry) for name, entry in given["versions"].items()}
    given["scales"] = {name: _scale(name, **entry) for name, entry in given["scales"].items()}
    given["synonyms"] = tuple(given.get("synonyms", ()))
    given["loinc"] = tuple(given.get("loinc", ()))
    given["items_text"] = () if given["items_text"] == "none" else tuple(given["items_text"])
    return Instrument(code, licence=licence["terms"], licence_source=licence["source"], **given)


def _version(name: str, items: list[dict[str, int]], source: str, standing: Standing = "published") -> Version:
    ranges = tuple((part["minimum"], part["maximum"]) for part in items for _ in range(part["count"]))
    return Version(name, ranges, source, standing)


def _scale(name: str, **given: Any) -> Scale:
    given["items"], given["scales"] = tuple(given.get("items", ())), tuple(given.get("scales", ()))
    given["thresholds"] = tuple(Threshold(**entry) for entry in given.get("thresholds", ()))
    given["bands"] = tuple(Band(**entry) for entry in given.get("bands", ()))
    given["missing"] = MissingRule(**given["missing"]) if "missing" in given else None
    return Scale(name, **given)


def _faults(found: Instrument) -> Iterator[str]:
    if found.direction not in get_args(Direction) or found.source_scale not in {None, *found.scales}:
        yield f"direction must be one of {get_args(Direction)}, source_scale one of {list(found.scales)}"
    if found.items_text and {len(found.items_text)} != {len(version.items) for version in found.versions.values()}:
        yield "items_text must name each item of every version"
    for scale in found.scales.values():
        for entry in scale.thresholds:
            if entry.metric not in ("points", "ratio") or entry.standing not in get_args(Standing) or entry.value <= 0:
                yield f"threshold {entry.name}: unknown metric or standing, or a value that is not positive"
        yield from (f"scale {scale.name}: {fault}" for fault in _scale_faults(scale, found))


def _scale_faults(scale: Scale, found: Instrument) -> Iterator[str]:
    rule = scale.missing
    if scale.method not in get_args(Method):
        yield f"method '{scale.method}' is none of {get_args(Method)}"
    elif scale.method == "source_only" and (scale.items or rule):
        yield "a score that only the source can give has no items"
    elif scale.method == "sum_of_scales" and not (scale.scales and set(scale.scales) < set(found.scales)):
        yield "must name other scales of the instrument"
    elif scale.method not in ("source_only", "sum_of_scales"):
        if rule is None or rule.impute not in get_args(Impute) or bool(rule.min_share) == bool(rule.min_count):
            yield "needs a missing rule with a known imputation and one of min_share and min_count"
        for version in found.versions.values():
            if not scale.items or not 1 <= min(scale.items) <= max(scale.items) <= len(version.items):
                yield f"has no items, or names some that version {version.name} does not have"
            ranges = [version.items[n - 1] for n in scale.items]
            if rule and rule.impute == "person_mean" and len(set(ranges)) > 1:
                yield f"person_mean needs items of one range; version {version.name} has several: use scaled_mean"
            for end, bound in ((0, scale.minimum), (1, scale.maximum)):
                if (reached := _score_items(scale, [(r[end], *r) for r in ranges]).value) != bound:
                    yield f"version {version.name} reaches {reached}, stated is {bound}"
