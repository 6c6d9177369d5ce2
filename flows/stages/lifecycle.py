"""From draft to approved: what an operator may decide of a release, and the release as it is stored.

A draft becomes approved, held, or superseded by a later one. Only what is approved is published and counts as shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from flows.errors import HeldError, NotFoundError, UsageError
from flows.stages.differences import figure_differences
from flows.stages.frame import frame_schema
from flows.stages.release import Release, SourceNote, last_approved
from flows.warehouse import transaction
from schemas.quoting import quoted
from sql import statement

AUTOMATIC = "automatic: automatic_approval is set in outcomes.toml"


@dataclass(frozen=True)
class ReleaseLine:
    """One release of the ledger. `reason` is what was said when it was decided."""

    release_id: int
    status: str
    as_of_batch: int
    as_of_at: datetime
    released_at: datetime
    decided_at: datetime | None
    reason: str | None
    compared_with: int | None
    cell_count: int
    suppressed_count: int


def releases(con: duckdb.DuckDBPyConnection) -> list[ReleaseLine]:
    """Every release that was drafted, the last one first."""
    return [ReleaseLine(*row) for row in con.execute(statement("lifecycle/releases")).fetchall()]


def stored(con: duckdb.DuckDBPyConnection, release_id: int) -> Release:
    """A release with its frame, exactly as it was drafted. Raises NotFoundError if there is none of that number."""
    row = con.execute(statement("lifecycle/stored_release"), {"id": release_id}).fetchone()
    if row is None:
        raise NotFoundError(f"no release {release_id}. See: outcomes release list")
    columns = ", ".join(map(quoted, frame_schema().names))
    # Rows are never changed in place, so that their ids keep the order in which a reader meets the figures.
    frame = con.execute(
        f"SELECT {columns} FROM ops.release_cell WHERE release_id = $id ORDER BY rowid", {"id": release_id}
    ).to_arrow_table()
    release = Release(
        release_id=row[0],
        as_of_batch=row[1],
        as_of_at=row[2],
        released_at=row[3],
        minimum_cell=row[4],
        frame=frame.cast(frame_schema()),
        window_from_on=row[5],
        window_to_on=row[6],
        fingerprint=row[7],
        sources=tuple(SourceNote(**source) for source in row[8]),
        status=row[9],
        compared_with=row[10],
        fingerprints={entry["part"]: entry["mark"] for entry in row[11]},
        erasure_count=row[12],
    )
    if release.compared_with is None:
        return release
    before = stored_rows(con, release.compared_with)
    return replace(release, differences=tuple(figure_differences(before, release.frame.to_pylist())))


def stored_rows(con: duckdb.DuckDBPyConnection, release_id: int) -> list[dict[str, object]]:
    """The published figures of a release as rows. Raises NotFoundError if there is none of that number."""
    if con.execute(statement("lifecycle/stored_release"), {"id": release_id}).fetchone() is None:
        raise NotFoundError(f"no release {release_id}. See: outcomes release list")
    found = con.execute("SELECT * FROM ops.release_cell WHERE release_id = $id ORDER BY rowid", {"id": release_id})
    return list(found.to_arrow_table().to_pylist())


def supersede(con: duckdb.DuckDBPyConnection, by: int, now: datetime, *, is_held_too: bool = False) -> None:
    """Note that a release took the place of every draft beside it; what only those show is compared with nothing any more."""
    con.execute(statement("lifecycle/supersede"), {"by": by, "now": now, "is_held_too": is_held_too})
    con.execute(
        "DELETE FROM ops.shown_cell WHERE release_id IN (SELECT release_id FROM ops.release WHERE status = 'superseded')"
    )


def approve(con: duckdb.DuckDBPyConnection, release_id: int, reason: str, now: datetime) -> bool:
    """Approve a draft, or one that was held: from now on its figures count as shown. Returns whether anything changed.

    The caller holds the writer lock and publishes afterwards. To approve the last approved one again changes nothing.
    Raises NotFoundError, UsageError if it is superseded, HeldError if it must be drafted anew: another release was approved
    since, which it was not compared with, or somebody was forgotten since, whom its figures still count.
    """
    release = stored(con, release_id)
    last = last_approved(con)
    if release.status == "approved":
        if release_id != last:
            raise UsageError(f"release {release_id} was approved, and release {last} after it: it stays as it was.")
        return False
    if release.status == "superseded":
        raise UsageError(f"release {release_id} is superseded: a later one took its place. See: outcomes release list")
    if release.compared_with != last:
        raise HeldError(
            f"release {release_id} was never compared with release {last}, which was approved since: the two side by side "
            "could give a few patients away. Draft it anew: outcomes report"
        )
    (erasure_count,) = con.execute("SELECT count(*) FROM ops.erasure").fetchone() or (0,)
    if erasure_count != release.erasure_count:
        raise HeldError(
            f"release {release_id} was drafted before somebody was forgotten, whom its figures may count. "
            "Draft it anew: outcomes report"
        )
    with transaction(con):
        _decide(con, release_id, "approved", reason, now)
        supersede(con, release_id, now, is_held_too=True)
    return True


def hold(con: duckdb.DuckDBPyConnection, release_id: int, reason: str, now: datetime) -> None:
    """Note that a draft is not to be published, and why. The caller holds the writer lock and publishes afterwards.

    Raises NotFoundError, UsageError if it is no draft: what was published cannot be called back.
    """
    status = stored(con, release_id).status
    if status not in ("draft", "held"):
        said = "is published and cannot be called back" if status == "approved" else "is superseded already"
        raise UsageError(f"release {release_id} {said}. See: outcomes release list")
    with transaction(con):
        _decide(con, release_id, "held", reason, now)


def _decide(con: duckdb.DuckDBPyConnection, release_id: int, status: str, reason: str, now: datetime) -> None:
    con.execute(statement("lifecycle/decide"), {"id": release_id, "status": status, "reason": reason, "now": now})
    con.execute("UPDATE ops.version SET revision = revision + 1")
