"""Land: files wait in `landing/<source>/`; after their batch is committed they lie in `archive/<source>/<sha256>`."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.errors import NotFoundError, UsageError
from flows.settings import Workspace
from flows.stages.reading import sha256_of, stamp_of
from schemas.sources import Source, SourceError, sources

# Names under which programs write a file that is not whole yet.
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")


@dataclass(frozen=True)
class Landed:
    """A file that waits to be taken."""

    path: Path
    source_name: str
    name: str | None = None
    origin: Path | None = None
    # Of a file of the archive: its hash as it was delivered, and whether records were taken out of it since.
    digest: str | None = None
    is_rewritten: bool = False

    @property
    def file_name(self) -> str:
        """The name it was delivered under; in the archive its path has another one."""
        return self.name or self.path.name


def known_sources(folder: Path | None) -> dict[str, Source]:
    """All sources, the workspace's own included. Raises UsageError if one of their files cannot be read."""
    try:
        return sources(folder)
    except SourceError as error:
        raise UsageError(f"a source cannot be read. {error}") from error


def known_source(sources: dict[str, Source], name: str) -> Source:
    """The source of that name. Raises UsageError, naming those there are."""
    if name not in sources:
        raise UsageError(
            f"unknown source '{name}'. There are: {', '.join(sorted(sources))}. Add one as sources/{name}.yaml in the workspace."
        )
    return sources[name]


def existing_file(path: Path) -> None:
    """Raises NotFoundError if there is no file at that path."""
    if path.is_dir():
        raise NotFoundError(f"{path}: a folder, not a file. Name the files in it.")
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file.")


def copy_in(workspace: Workspace, path: Path, source: Source) -> Landed:
    """Copy a file from anywhere into landing, under a temporary name first; the original is never moved or changed.

    Raises NotFoundError if there is no such file, UsageError if its name is none of the source's.
    """
    existing_file(path)
    if source.pattern_for(path.name) is None:
        patterns = ", ".join(pattern.match for pattern in source.files)
        raise UsageError(
            f"{path.name}: source '{source.name}' takes files named {patterns}. Rename the file, or name its source with --source."
        )
    folder = workspace.folder("landing", source.name)
    if path.parent.resolve() == folder.resolve() and not path.is_symlink():
        return Landed(path, source.name)
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    shutil.copyfile(path, temporary)
    target = folder / path.name
    if target.exists() and sha256_of(target) != (digest := sha256_of(temporary)):
        # A name may be as long as a file system takes; what is added must not make it longer.
        stem = path.stem.encode()[:200].decode(errors="ignore")
        target = folder / f"{stem}-{digest[:8]}{path.suffix}"
    temporary.replace(target)
    return Landed(target, source.name, path.name)


def pending(workspace: Workspace, sources: dict[str, Source], source_name: str | None = None) -> list[Landed]:
    """Every finished file in landing, of one source or of all, by name; of a folder that may not be read the folder, so that
    nobody takes it for an empty one.
    """
    names = [known_source(sources, source_name).name] if source_name else sorted(sources)
    found = []
    for name in names:
        folder = workspace.root / "landing" / name
        if folder.is_dir():
            try:
                found += [Landed(path, name) for path in sorted(folder.iterdir()) if _is_finished(path)]
            except PermissionError:
                found.append(Landed(folder, name))
    return found


def _is_finished(path: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and not path.name.startswith(".")
        and not path.name.lower().endswith(_UNFINISHED)
    )


def never_taken(workspace: Workspace, sources: dict[str, Source]) -> dict[str, str]:
    """What lies in landing and is taken by no run, by its place there, with the reason; what is still being written is not meant."""
    landing = workspace.root / "landing"
    found = {}
    for path in sorted(landing.iterdir()) if landing.is_dir() else ():
        if path.name not in sources:
            found[path.name] = "in no folder of a known source, so never taken"
        elif not path.is_dir():
            found[path.name] = "not a folder, so no file of that source can be taken"
        elif os.access(path, os.R_OK | os.X_OK):
            for entry in sorted(path.iterdir()):
                if not entry.name.startswith(".") and (entry.is_symlink() or not entry.is_file()):
                    found[f"{path.name}/{entry.name}"] = "a folder or a link, not a file, so never taken"
    return found


def file_key(source: Source, file_name: str, digest: str) -> str:
    """What makes a file the same file: its bytes' hash, and a mark of what its name says where that decides something.

    The same tombstones may be delivered for two tables, the same content in two exports: then the bytes are not enough.
    """
    said = source.name_says(file_name)
    return f"{digest}-{hashlib.sha256(said.encode()).hexdigest()[:8]}" if said else digest


def claim(workspace: Workspace, landed: Landed) -> Landed | None:
    """The file under a name of our own, by a hard link: what is delivered under its old name meanwhile is another file.

    None if it is gone: another run has taken it.
    """
    folder = tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=workspace.folder("spool", landed.source_name))
    claimed = Path(folder) / landed.file_name
    try:
        os.link(landed.path, claimed)
    except FileNotFoundError:
        Path(folder).rmdir()
        return None
    return Landed(claimed, landed.source_name, landed.file_name, landed.path)


def archive(
    workspace: Workspace,
    claimed: Landed,
    digest: str,
    stamp: tuple[int, int, int],
    rewrite: Callable[[Path], None] | None = None,
) -> None:
    """Move a file whose fate is in the ledger out of landing; a second delivery of the same bytes leaves nothing behind.

    What the archive has already stays: records may have been taken out of it since. `rewrite` writes to a path what is kept
    of a file that holds records of people who were forgotten.
    A file that was written to since it was read (`stamp`) stays in landing: it is not the one the ledger knows.
    """
    if claimed.origin is not None and stamp_of(claimed.path) == stamp:
        kept = claimed.path
        try:
            kept.chmod(0o600)
        except PermissionError:  # another user's, who let us read and write it: what is archived is ours
            kept = claimed.path.with_name(".ours")
            shutil.copyfile(claimed.path, kept)
        target = archived(workspace, claimed.source_name, digest)
        if not target.exists():
            if rewrite is not None:
                kept = claimed.path.with_name(".kept")
                rewrite(kept)
            kept.replace(target)
        with contextlib.suppress(FileNotFoundError):
            if stamp_of(claimed.origin) == stamp:
                claimed.origin.unlink()
    release_claim(claimed)


def drop(claimed: Landed, stamp: tuple[int, int, int]) -> None:
    """Delete a file that must not be kept, unless it was written to since it was read."""
    if claimed.origin is not None:
        with contextlib.suppress(FileNotFoundError):
            if stamp_of(claimed.origin) == stamp:
                claimed.origin.unlink()
    release_claim(claimed)


def release_claim(claimed: Landed) -> None:
    """Give a file up; it waits in landing as before."""
    if claimed.origin is not None:
        shutil.rmtree(claimed.path.parent, ignore_errors=True)


def sweep(workspace: Workspace) -> None:
    """Remove what runs that were killed have left in the spool: folders named after a process that is no more."""
    for folder in workspace.folder("spool").glob("*/.*"):
        process = folder.name[1:].partition("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def archived(workspace: Workspace, source_name: str, digest: str) -> Path:
    """Where the bytes of a file lie once the ledger knows it."""
    return workspace.folder("archive", source_name) / digest
