"""Releases from outside the stages: decide on one, exchange its pages, hold two against each other, repeat an old one."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.errors import NotFoundError, UsageError
from flows.settings import Workspace
from flows.stages import lifecycle, publish
from flows.stages.differences import AsOf, FigureDifference, RecordDifference, figure_differences, record_differences
from flows.stages.release import Release
from flows.stages.repeat import Repetition, repeat_batch, repeat_release
from flows.warehouse import copied, snapshot, warehouse, writing
from sql import statement


@dataclass(frozen=True)
class Decision:
    """What became of a release, and where its pages lie, if they do."""

    release_id: int
    status: str
    reason: str
    is_new: bool
    page: Path | None


def approve(workspace: Workspace, release_id: int, reason: str, *, now: datetime) -> Decision:
    """Publish a draft as it was drafted. Killed at any point, the same call ends it; once done it writes the pages anew."""
    with writing(workspace, "outcomes release approve"):
        with warehouse(workspace) as con:
            is_new = lifecycle.approve(con, release_id, reason, now)
            release = lifecycle.stored(con, release_id)
        publish.publish(workspace, now)
    return Decision(release_id, "approved", reason, is_new, write_pages(workspace, release))


def hold(workspace: Workspace, release_id: int, reason: str, *, now: datetime) -> Decision:
    """Keep a draft from being published, and take its pages away."""
    with writing(workspace, "outcomes release hold"):
        with warehouse(workspace) as con:
            lifecycle.hold(con, release_id, reason, now)
        publish.publish(workspace, now)
        if _release_of(workspace.draft) == release_id:
            _remove(workspace.draft)
    return Decision(release_id, "held", reason, is_new=True, page=None)


def write_pages(workspace: Workspace, release: Release) -> Path:
    """Exchange the pages for this release's, folder by folder: a draft's in `published/draft`, else in `published/report`.

    Returns its first page. What a killed exchange has left is mended. If a later release was approved meanwhile, its pages stay.
    """
    from flows.pages.report import write_report

    target = workspace.report if release.status == "approved" else workspace.draft
    with writing(workspace, "outcomes report"):
        _mend(workspace)
        building = workspace.folder("published", f".{target.name}-{release.release_id}")
        page = write_report(release, building)
        if _is_current(workspace, release):
            _exchange(building, target)
        if release.status == "approved" and (_release_of(workspace.draft) or 0) <= release.release_id:
            _remove(workspace.draft)
    return target / page.name


def _is_current(workspace: Workspace, release: Release) -> bool:
    with snapshot(workspace) as con:
        asked = {"id": release.release_id, "status": release.status}
        return bool((con.execute(statement("lifecycle/is_current"), asked).fetchone() or (False,))[0])


def _exchange(building: Path, target: Path) -> None:
    old = _old(target)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    building.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _mend(workspace: Workspace) -> None:
    """Put back pages that a killed exchange had taken away before it could bring new ones, and remove what it had begun."""
    for target in (workspace.report, workspace.draft):
        if _old(target).exists() and not target.exists():
            _old(target).rename(target)
    for path in (workspace.root / "published").glob(".*-*"):
        if re.fullmatch(r"\.(report|draft)-(\d+|old)", path.name):
            shutil.rmtree(path)


def _old(target: Path) -> Path:
    return target.with_name(f".{target.name}-old")


def _remove(folder: Path) -> None:
    """Take pages away at once, whatever happens while they are deleted."""
    if folder.exists():
        shutil.rmtree(_old(folder), ignore_errors=True)
        folder.rename(_old(folder))
        shutil.rmtree(_old(folder), ignore_errors=True)


def _release_of(folder: Path) -> int | None:
    """Which release the pages in a folder are of."""
    try:
        with (folder / "release.json").open(encoding="utf-8") as file:
            return int(json.load(file)["release"]["release_id"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def releases(workspace: Workspace) -> list[lifecycle.ReleaseLine]:
    """Every release that was drafted, the last one first."""
    with snapshot(workspace) as con:
        return lifecycle.releases(con)


@dataclass(frozen=True)
class Difference:
    """How one release differs from another: for operators. Counts of records may be those of a few patients."""

    before: int
    after: int
    figures: list[FigureDifference]
    records: list[RecordDifference]
    erased_count: int


def diff(workspace: Workspace, before: int | None = None, after: int | None = None) -> Difference:
    """Hold two releases against each other: without `after` the last one drafted, without `before` the one it was compared with.

    Raises NotFoundError if there is no such release, or none to compare with.
    """
    with snapshot(workspace) as con:
        lines = {line.release_id: line for line in lifecycle.releases(con)}
        after = after or max(lines, default=None)
        if after is None:
            raise NotFoundError("no report was drafted yet. Run: outcomes report")
        if after not in lines:
            raise NotFoundError(f"no release {after}. See: outcomes release list")
        before = before or lines[after].compared_with
        if before is None:
            raise NotFoundError(f"release {after} is the first: nothing was approved before it.")
        old, fresh = lifecycle.stored(con, before), lifecycle.stored(con, after)
        return Difference(
            before,
            after,
            figure_differences(old.frame.to_pylist(), fresh.frame.to_pylist()),
            record_differences(con, AsOf(old.as_of_batch, old.as_of_at), AsOf(fresh.as_of_batch, fresh.as_of_at)),
            fresh.erasure_count - old.erasure_count,
        )


def repeat(workspace: Workspace, as_of: str) -> Repetition:
    """Compute an old report anew and compare. `as_of` is `RELEASE`, or `batch:BATCH`, which is the last approved release at
    that batch, else the instant of its commit. Nothing is published or changed by it.

    Raises UsageError if `as_of` is neither, NotFoundError if there is no such release or batch.
    """
    found = re.fullmatch(r"(?:(release|batch):)?(\d+)", as_of.strip().lower())
    if found is None:
        raise UsageError(f"--as-of {as_of}: name a release by its number, or a batch as batch:NUMBER.")
    number = int(found[2])
    with copied(workspace) as con:
        if found[1] != "batch":
            return repeat_release(con, number)
        released = con.execute(statement("lifecycle/last_at_batch"), {"batch": number}).fetchone()
        if released is not None:
            return repeat_release(con, released[0])
        committed = con.execute("SELECT committed_at FROM ops.batch WHERE batch_id = $id", {"id": number}).fetchone()
        if committed is None:
            raise NotFoundError(f"no batch {number}. See: outcomes batch list")
        return repeat_batch(con, number, committed[0], workspace.settings.minimum_cell)
