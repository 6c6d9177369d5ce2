"""What `outcomes visit-sheet` does: check what the caller typed, find the member, make the sheet."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from flows.errors import UsageError
from flows.settings import Workspace
from flows.visit import words
from flows.visit.records import read_records
from flows.visit.sheet import Sheet, make_sheet

NAME_LENGTH = 60


@dataclass(frozen=True)
class VisitSheet:
    """A sheet that was made, and how it is told of."""

    sheet: Sheet

    def html(self) -> str:
        """The page."""
        from flows.pages.visit import to_html

        return to_html(self.sheet)

    def sentence(self, path: Path) -> str:
        """What came of it, without a word about the person."""
        period = f"{words.day(self.sheet.period.start)} to {words.day(self.sheet.period.end)}"
        if self.sheet.is_empty:
            return f"{path}: nothing was reported from {period}; the sheet says so. Another year: --on DAY"
        return (
            f"{path}: {period}. It is a member's own page: give it to them, and keep no copy that they do not know of."
        )


def make_visit_sheet(
    workspace: Workspace, source_patient_id: str, source_name: str, *, on: date | None, name: str | None, now: datetime
) -> VisitSheet:
    """The sheet of one member for the twelve months up to a day, today if none is named.

    Raises UsageError if the name does not fit on the page, and what `read_records` raises.
    """
    records = read_records(workspace, source_patient_id, source_name, on or now.date())
    return VisitSheet(make_sheet(records, name=_printable(name), made_at=now))


def _printable(name: str | None) -> str | None:
    """The name in one line, without signs that are not seen."""
    if name is None:
        return None
    seen = " ".join(re.sub(r"\s+", " ", "".join(s if s.isprintable() else " " for s in name)).split())
    if len(seen) > NAME_LENGTH:
        raise UsageError(f"--name: at most {NAME_LENGTH} letters fit on the page.")
    return seen or None
