"""Rebuild: a workspace made anew from another's archive, under a key of its own, when the old key was lost or has leaked."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from flows.errors import NotFoundError, UsageError
from flows.pipeline import Ledger, prepare_landed, settle
from flows.settings import SETTINGS_FILE, Workspace, create_workspace, open_workspace
from flows.stages import land
from flows.stages.admit import FileOutcome
from flows.warehouse import snapshot
from schemas.contract import TABLES
from schemas.quoting import quoted
from sql import statement


@dataclass(frozen=True)
class RebuildSummary:
    """What became of each file, and how many current records each table had before and has now."""

    root: Path
    files: list[FileOutcome]
    before: dict[str, int]
    after: dict[str, int]

    @property
    def differing(self) -> list[str]:
        """Tables that do not have as many current records as before."""
        return [table for table, count in self.before.items() if self.after[table] != count]


def rebuild(old: Workspace, root: Path, *, now: datetime) -> RebuildSummary:
    """Make a workspace in `root` and admit, batch by batch, every file that `old` admitted. `old` is left as it is.

    Its key is not asked for. Files that were held wait in the new landing; those that were refused or could not be read stay
    where they are. Raises UsageError if `root` is not empty or the key would be the old one, NotFoundError if a file is no
    longer in the archive.
    """
    with snapshot(old) as con:
        found = con.execute(statement("status/rebuildable")).fetchall()
        (old_mark,) = con.execute("SELECT key_mark FROM ops.version").fetchone() or (None,)
    before = _current_counts(old)
    for source_name, digest, *_ in found:
        if not land.archived(old, source_name, digest).is_file():
            raise NotFoundError(f"{land.archived(old, source_name, digest)}: gone. Put it back: nothing was made.")
    new = create_workspace(root)
    if new.key_mark() == old_mark:
        shutil.rmtree(root)
        raise UsageError(f"{root}: would have the old key. Take the variable OUTCOMES_KEY away, or give it a new one.")
    shutil.copyfile(old.root / SETTINGS_FILE, new.root / SETTINGS_FILE)
    shutil.copytree(old.root / "sources", new.root / "sources", dirs_exist_ok=True)
    new = open_workspace(new.root)
    known_sources = land.known_sources(new.root / "sources")
    outcomes: list[FileOutcome] = []
    for batch_id, batch in itertools.groupby(found, key=lambda file: file[4]):
        candidates = []
        for source_name, digest, file_name, status, _, override, is_rewritten in batch:
            source = land.known_source(known_sources, source_name)
            landed = _landed(old, new, source_name, digest, file_name)
            if status == "held":
                continue
            claimed = land.claim(new, landed)
            if claimed is None:
                raise NotFoundError(f"{landed.path}: gone. Delete {root} and run the command again.")
            taken = replace(claimed, digest=digest, is_rewritten=is_rewritten)
            candidate = prepare_landed(new, taken, source, Ledger(), now)
            candidates.append(replace(candidate, override=override or None))
        if batch_id is not None:
            outcomes += settle(new, known_sources, candidates, now).files
    return RebuildSummary(new.root, outcomes, before, _current_counts(new))


def _landed(old: Workspace, new: Workspace, source_name: str, digest: str, file_name: str) -> land.Landed:
    """A copy in the new landing, where two files may have had one name."""
    path = new.folder("landing", source_name) / file_name
    if path.exists():
        path = path.with_name(f"{path.stem[:200]}-{digest[:8]}{path.suffix}")
    shutil.copyfile(land.archived(old, source_name, digest), path)
    return land.Landed(path, source_name, file_name)


def _current_counts(workspace: Workspace) -> dict[str, int]:
    if not workspace.snapshot.is_file():
        return dict.fromkeys(TABLES, 0)
    with snapshot(workspace) as con:
        counts = {}
        for table in TABLES:
            (counts[table],) = con.execute(
                f"SELECT count(*) FROM history.{quoted(table)} WHERE superseded_in IS NULL AND NOT is_deleted"
            ).fetchone() or (0,)
        return counts
