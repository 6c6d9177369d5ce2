"""REDCap: the records of a project, or one of its reports. REDCap leaves out rows without an error, so what must be there is asked first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.errors import HeldError, TransientError, UnreadableError
from flows.exports.bodies import MOST_DOCUMENT_BYTES, mark_of, parsed_document
from flows.exports.client import Client
from flows.exports.export import Fetched, Place, ShiftedError
from flows.exports.messages import Answer, Request
from schemas.apis import RedcapApi, RedcapList
from schemas.redcap import EVENT, INSTANCE, INSTRUMENT, Dictionary, DictionaryError, dictionary_of
from schemas.sources import Source

# By a record's id: event, instrument and number of each of its repeats.
_Repeats = dict[str, set[tuple[str, ...]]]
# Parameters that say which columns come.
_CHOOSING = ("fields", "forms")
_JSON = {"format": "json", "returnFormat": "json"}
_PLAIN = {**_JSON, "type": "flat", "rawOrLabel": "raw", "rawOrLabelHeaders": "raw", "exportCheckboxLabel": "false"}


class RedcapExport:
    """One export of a project. A place says which ids come next, and holds a digest of all of them instead of any id."""

    # A project is read as a whole each time.
    overlap: timedelta | None = None
    is_timed_by_records = False

    def __init__(self, source: Source, api: RedcapApi, wanted: RedcapList, client: Client) -> None:
        assert source.explained is not None
        self._api, self._wanted, self._client = api, wanted, client
        self._source_name, self._dictionary = source.name, source.explained
        self._is_told_when = source.exported_at.response
        # The repeats of each record, by its id.
        self._repeats: _Repeats | None = None
        listed = [api.address, wanted.model_dump(mode="json"), api.has_groups, api.has_surveys]
        self.list_mark = _digest([*listed, repr(self._dictionary)])
        self.place_mark = _digest([self.list_mark, api.batch_records])

    def first(self) -> Place:
        self._repeats = None
        return {"start": 0}

    def fetch(self, place: Place, since: datetime | None, into: Path) -> Fetched:  # noqa: ARG002  asked as a whole
        """The next batch of records. Raises HeldError if the answer lacks any of them, ShiftedError if the project has changed meanwhile."""
        aside = into.with_name(f"{into.name}.aside.tmp")
        try:
            if self._repeats is None:
                self._check_dictionary(aside)
            if self._wanted.report is not None:
                return self._fetched(self._report(into), None)
            repeats = self._known(place, aside)
            ids = sorted(repeats)
            start = place["start"]
            batch = ids[start : start + self._api.batch_records]
            if not batch:
                return Fetched(0, None)
            rows, answer = self._batch(batch, into)
            self._check_complete({record_id: repeats[record_id] for record_id in batch}, rows, aside)
            end = start + len(batch)
            if end < len(ids):
                return self._fetched((rows, answer), {"start": end, "of": _digest(ids)})
            if sorted(self._asked_repeats(aside)) != ids:
                # New ones were given, or some taken away, while the others were read.
                raise ShiftedError
            return self._fetched((rows, answer), None)
        finally:
            aside.unlink(missing_ok=True)

    def total(self, since: datetime | None, stated: int | None, into: Path) -> int | None:  # noqa: ARG002  ids say more
        return None

    def _known(self, place: Place, aside: Path) -> _Repeats:
        if self._repeats is None:
            found = self._asked_repeats(aside)
            if "of" in place and place["of"] != _digest(sorted(found)):
                raise ShiftedError
            self._repeats = found
        return self._repeats

    def _asked_repeats(self, aside: Path) -> _Repeats:
        """What the server says there is: every record's id, and its repeats as the status of their forms names them."""
        names = [self._dictionary.record_id]
        if not self._is_chosen:
            names += [f"{form}_complete" for form in self._dictionary.forms]
        fields = {f"fields[{number}]": name for number, name in enumerate(names)}
        others = {name: value for name, value in self._wanted.parameters.items() if not name.startswith(_CHOOSING)}
        form = {"content": "record", **_PLAIN, **fields, **others}
        rows, _ = self._asked("the ids of the records", form, aside)
        return self._repeats_of(rows)

    @property
    def _is_chosen(self) -> bool:
        """Whether the YAML itself chooses fields or forms."""
        return any(name.startswith(_CHOOSING) for name in self._wanted.parameters)

    def _repeats_of(self, rows: list[dict[str, Any]]) -> _Repeats:
        found: _Repeats = {}
        for record_id, row in zip(self._ids_of(rows), rows, strict=True):
            where = tuple(str(row.get(name) or "") for name in (EVENT, INSTRUMENT, INSTANCE))
            found.setdefault(record_id, set()).update({where} if where[-1] else ())
        return found

    def _ids_of(self, rows: list[dict[str, Any]]) -> Iterator[str]:
        for row in rows:
            found = row.get(self._dictionary.record_id)
            if found in (None, ""):
                raise UnreadableError(
                    f"{self._wanted.what}: a record has no {self._dictionary.record_id}, which is the id by the dictionary. Nothing of it is taken: "
                    "check which fields the token's user may export."
                )
            yield str(found)

    def _batch(self, batch: list[str], into: Path) -> tuple[list[dict[str, Any]], Answer]:
        asked = {f"records[{number}]": record_id for number, record_id in enumerate(batch)}
        return self._asked(self._wanted.what, {"content": "record", **_PLAIN, **self._options(), **asked}, into)

    def _report(self, into: Path) -> tuple[list[dict[str, Any]], Answer]:
        form = {"content": "report", "report_id": str(self._wanted.report), **_PLAIN, **self._wanted.parameters}
        return self._asked(self._wanted.what, form, into)

    def _options(self) -> dict[str, str]:
        return {
            "exportDataAccessGroups": str(self._api.has_groups).lower(),
            "exportSurveyFields": str(self._api.has_surveys).lower(),
            **self._wanted.parameters,
        }

    def _check_complete(self, expected: _Repeats, rows: list[dict[str, Any]], aside: Path) -> None:
        found = self._repeats_of(rows)
        if missing := [name for name, repeats in expected.items() if name not in found or repeats - found[name]]:
            again = self._asked_repeats(aside)
            if any(again.get(name) != expected[name] for name in missing):
                raise ShiftedError
            raise HeldError(
                f"{self._wanted.what}: {len(missing):,} of {len(expected):,} records that {self._client.server} says there are do not come, or not with all their "
                "repeats, when they are asked for, and it names no error. Nothing of the answer is taken, what has landed stays: ask for fewer at "
                "a time (`batch_records` in the source's YAML), or have the project looked at."
            )
        if found.keys() - expected.keys():
            raise UnreadableError(
                f"{self._wanted.what}: {self._client.server} gives records that were not asked for. Nothing of the answer is taken: is something "
                "between that keeps answers of others?"
            )
        lacking = [name for name in self._dictionary.field_columns if any(name not in row for row in rows)]
        if lacking and not self._is_chosen:
            raise UnreadableError(
                f"{self._wanted.what}: {len(lacking):,} fields of the dictionary do not come: {_some(lacking)}. Give the token's user the right to export "
                "them, or choose some under `parameters` (fields[0], forms[0], …), or pull a report."
            )

    def _check_dictionary(self, aside: Path) -> None:
        """Raises UnreadableError if the project is no longer what the source's dictionary says."""
        rows, _ = self._asked("the data dictionary", {"content": "metadata", **_JSON}, aside)
        try:
            theirs: Dictionary = dictionary_of(rows)
        except DictionaryError as error:
            raise UnreadableError(f"the data dictionary of {self._client.server} {error}. Nothing is taken.") from None
        if differing := self._dictionary.differences(theirs):
            raise UnreadableError(
                f"{self._wanted.what}: the project's data dictionary is not the one of source '{self._source_name}': {_some(differing)}. Nothing is taken: "
                "download the dictionary anew, look at what changed, mend the SELECTs, then run the command again."
            )

    def _asked(self, what: str, form: dict[str, str], into: Path) -> tuple[list[dict[str, Any]], Answer]:
        def read(answer: Answer, path: Path) -> tuple[list[dict[str, Any]], Answer]:
            found = parsed_document(path)
            if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
                raise UnreadableError(
                    f"{what}: {self._client.server} answers with no list of records{' but with an error' if _is_error(found) else ''}. Nothing of it is taken."
                )
            return found, answer

        address = self._api.address if self._api.address.endswith(".php") else f"{self._api.address}/"
        return self._client.download(what, Request(address, form=form), into, read, MOST_DOCUMENT_BYTES)

    def _fetched(self, found: tuple[list[dict[str, Any]], Answer], following: Place | None) -> Fetched:
        rows, answer = found
        if self._is_told_when and answer.at is None:
            raise TransientError(
                f"{self._wanted.what}: {self._client.server} does not say what time it is (header Date), by which versions are ranked. Nothing of it is taken."
            )
        marks = f"{mark_of(rows[0])} {mark_of(rows[-1])}" if rows else ""
        return Fetched(
            len(rows),
            following,
            clock=answer.at,
            exported_at=answer.at if self._is_told_when else None,
            signature=f"{len(rows)} {marks}",
        )


def _is_error(found: Any) -> bool:
    return isinstance(found, dict) and "error" in found


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
