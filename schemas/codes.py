"""Code lists: which tokens are known and what they mean. One CSV in `schemas/codes/` is one list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

REQUIRED_COLUMNS = ("code", "label", "definition", "synonyms")
STANDARDS = ("snomed_ct", "icd_10_cm", "icf", "rxnorm", "loinc")
OPTIONAL_COLUMNS = (*STANDARDS, "parent_code", "category", "class")
_SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Straight, curly, grave and acute: however the apostrophe of "can't" was typed, it is one token with "cant".
_APOSTROPHES = str.maketrans("", "", "'\u2019\u2018`\u00b4")


@dataclass(frozen=True)
class Code:
    """One entry; `standard_codes` maps a standard (`snomed_ct`, ...) to its codes, none of them unverified."""

    code: str
    label: str
    definition: str
    synonyms: tuple[str, ...] = ()
    standard_codes: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    parent_code: str | None = None
    category: str | None = None
    class_name: str | None = None


@dataclass(frozen=True)
class CodeList:
    """A list of codes in the order of its file."""

    name: str
    codes: tuple[Code, ...]

    def tokens(self) -> dict[str, str]:
        """Normalised token -> code, over code, label and synonyms of each entry: all that an export may write."""
        return {token: entry.code for entry in self.codes for token in _tokens_of(entry)}


def normalise_token(text: str) -> str:
    r"""The form in which tokens are compared; in SQL `[^\p{L}\p{N}]+` to `_`, once apostrophes are gone.

    >>> normalise_token("  Can\u2019t   tell ")
    'cant_tell'
    >>> normalise_token("Ankle-foot orthosis (AFO)")
    'ankle_foot_orthosis_afo'
    """
    return re.sub(r"[\W_]+", "_", text.lower().translate(_APOSTROPHES)).strip("_")


def known_words(names: Iterable[str]) -> dict[str, str]:
    """`<list> <standard> <code>` -> our code, over all standard codes of these lists; `<list> word <token>` for their tokens.

    A standard code that stands at two entries of a list means neither of them, and is left out.
    """
    found: dict[str, set[str]] = {}
    for name in names:
        for entry in code_list(name).codes:
            for standard, codes in entry.standard_codes.items():
                for code in codes:
                    found.setdefault(f"{name} {standard} {code}", set()).add(entry.code)
        for token, code in code_list(name).tokens().items():
            found[f"{name} word {token}"] = {code}
    return {word: min(codes) for word, codes in found.items() if len(codes) == 1}


@cache
def code_list(name: str) -> CodeList:
    """The list of that name, checked. Raises ValueError naming file and line if the file contradicts itself."""
    if name == "instrument":  # its codes are the files of schemas/instruments/, which read this module in turn
        from schemas.instruments import instrument_list

        return instrument_list()
    file = files(__package__).joinpath("codes", f"{name}.csv")
    if not file.is_file():
        raise ValueError(f"no code list '{name}': schemas/codes/{name}.csv does not exist")
    return read_code_list(file, name)


def read_code_list(file: Traversable, name: str) -> CodeList:
    """The list in one CSV file, wherever it stands."""
    reader = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    header = list(reader.fieldnames or ())
    unknown = sorted(set(header) - set(REQUIRED_COLUMNS + OPTIONAL_COLUMNS))
    if unknown or len(set(header)) < len(header) or not set(REQUIRED_COLUMNS) <= set(header):
        raise ValueError(f"{file.name}, line 1: needs {REQUIRED_COLUMNS}, each column once; unknown: {unknown}")
    entries = [(reader.line_num, row) for row in reader]
    codes: dict[str, Code] = {}
    seen: dict[str, str] = {}
    for line, row in entries:
        if None in row or None in row.values():
            raise ValueError(f"{file.name}, line {line}: expected {len(header)} fields")
        entry = _code(row)
        for fault in _faults(entry, codes, seen):
            raise ValueError(f"{file.name}, line {line}: {fault}")
        codes[entry.code] = entry
        seen.update(dict.fromkeys(_tokens_of(entry), entry.code))
    for line, row in entries:
        if (parent := row.get("parent_code")) and (parent not in codes or parent == row["code"]):
            raise ValueError(f"{file.name}, line {line}: parent '{parent}' is not another code of the list")
    return CodeList(name, tuple(codes.values()))


def _code(row: dict[str, str]) -> Code:
    standard = {name: _split(row[name]) for name in STANDARDS if row.get(name)}
    rest = (row.get(column) or None for column in ("parent_code", "category", "class"))
    return Code(row["code"], row["label"], row["definition"], _split(row["synonyms"]), standard, *rest)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|") if part.strip())


def _tokens_of(entry: Code) -> set[str]:
    return {normalise_token(text) for text in (entry.code, entry.label, *entry.synonyms)}


def _faults(entry: Code, codes: dict[str, Code], seen: dict[str, str]) -> Iterator[str]:
    if not _SNAKE_CASE.fullmatch(entry.code):
        yield f"code '{entry.code}' is not snake_case"
    if entry.code in codes:
        yield f"code '{entry.code}' stands twice"
    if not entry.label or not entry.definition:
        yield f"code '{entry.code}' lacks a label or a definition"
    for token in sorted(_tokens_of(entry)):
        if token in seen:
            yield f"'{token}' of '{entry.code}' means '{seen[token]}' already"
