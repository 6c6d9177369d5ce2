"""The synthetic cohort: exports of patients that never lived, with known true values and known dirt.

`write_cohort` streams any number of patients to canonical CSV files, one per record table, in the same bytes for the
same (seed, patients, options), whatever the number of workers. `simulate` gives the latent course behind the files.
"""

from __future__ import annotations

import multiprocessing
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from flows.cohort.columns import Rows, instants, patient_ids
from flows.cohort.dirt import DISPOSITIONS, Disposition, Note, append, soil
from flows.cohort.dirty_files import DirtyFile, write_dirty_files
from flows.cohort.model import BLOCK_SIZE, Block, Variant, block_sizes, simulate, simulate_block
from flows.cohort.switches import make_switches
from flows.cohort.tables import make_tables

__all__ = [
    "DISPOSITIONS",
    "KEY_COLUMNS",
    "LATE_PATIENTS",
    "Block",
    "CohortLog",
    "DirtyFile",
    "Disposition",
    "simulate",
    "simulate_block",
    "write_cohort",
    "write_dirty_files",
]

KEY_COLUMNS = ("source_record_id", "source_patient_id", "source_updated_at", "is_deleted")
LATE_PATIENTS = "patient-late"  # the file of patients who arrive after their children
LOG_LIMIT = 1_000_000  # dirty records listed one by one, some 40 MB; the counts have no limit
BLOCKS_AHEAD = 2  # per worker: enough to keep all busy, few enough to keep memory flat


@dataclass(frozen=True)
class CohortLog:
    """What was written. `entries` has the columns table, kind, source_record_id in the order of the patients."""

    patients: int
    records: Mapping[str, int]  # by file, without its `.csv`
    counts: Mapping[str, int]  # dirty records by kind
    table_counts: Mapping[tuple[str, str], int]  # by (table, kind)
    entries: pa.Table
    is_complete: bool  # False: more dirty records than LOG_LIMIT; the first ones are listed

    def expected(self, disposition: Disposition) -> int:
        """Dirty records which the pipeline should treat so."""
        return sum(count for kind, count in self.counts.items() if DISPOSITIONS[kind] == disposition)


@dataclass(frozen=True)
class _Job:
    seed: int
    block: int
    patients: int  # of the block
    dirt: bool
    variant: Variant
    report_probability: float


@dataclass(frozen=True)
class _Written:
    """One block as text, by file."""

    patients: int
    headers: Mapping[str, bytes]
    texts: Mapping[str, bytes]
    records: Mapping[str, int]
    notes: tuple[Note, ...]


def _to_csv(rows: Rows) -> bytes:
    table = pa.table(
        {
            "source_record_id": rows.record_id,
            "source_patient_id": patient_ids(rows.patient),
            "source_updated_at": instants(rows.updated_at),
            "is_deleted": pa.array(rows.is_deleted),
            **rows.columns,
        }
    )
    sink = pa.BufferOutputStream()
    # No value of the cohort holds a comma, a quote or a newline; Arrow raises if one ever does.
    pa_csv.write_csv(table, sink, pa_csv.WriteOptions(include_header=False, quoting_style="none"))
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _header(rows: Rows) -> bytes:
    return (",".join((*KEY_COLUMNS, *rows.columns)) + "\n").encode()


def _write_block(job: _Job) -> _Written:
    block = simulate_block(job.seed, job.block, job.variant, job.report_probability)
    files: dict[str, Rows] = make_tables(job.seed, block)
    notes: tuple[Note, ...] = ()
    if job.dirt:
        soiled = soil(job.seed, job.block, files)
        files, notes = {**soiled.tables, LATE_PATIENTS: soiled.late_patients}, soiled.notes
    episodes = files["treatment_episode"]
    files = files | {"treatment_episode": append(episodes, [make_switches(job.seed, block, episodes)])}
    end = job.block * BLOCK_SIZE + job.patients
    if job.patients < BLOCK_SIZE:
        files = {name: rows.take(rows.patient < end) for name, rows in files.items()}
        notes = tuple(note.first(end) for note in notes)
    return _Written(
        job.patients,
        {name: _header(rows) for name, rows in files.items()},
        {name: _to_csv(rows) for name, rows in files.items()},
        {name: len(rows) for name, rows in files.items()},
        notes,
    )


def _run(jobs: Iterator[_Job], workers: int) -> Iterator[_Written]:
    """Blocks in their order; with several workers a few are made ahead."""
    if workers == 1:
        yield from map(_write_block, jobs)
        return
    # Spawned, not forked: the caller may hold threads of Arrow, DuckDB or Prefect.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        ahead: deque[Future[_Written]] = deque()
        for job in jobs:
            ahead.append(pool.submit(_write_block, job))
            if len(ahead) >= BLOCKS_AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def write_cohort(
    folder: Path,
    patients: int,
    seed: int = 20250101,
    *,
    dirt: bool = True,
    variant: Variant = "measured",
    report_probability: float = 0.80,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
) -> CohortLog:
    """Write the files of the first so many patients to a folder, each under a `.part` name until all are complete.

    `progress` is told the patients done. With more than one worker the caller's main module must be importable, as
    always with spawned processes.
    """
    if patients < 1 or workers < 1:
        raise ValueError(f"a cohort needs at least one patient and one worker, not {patients} and {workers}")
    if not 0.0 <= report_probability <= 1.0:
        raise ValueError(f"report_probability is a share from 0 to 1, not {report_probability}")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = (_Job(seed, block, size, dirt, variant, report_probability) for block, size in block_sizes(patients))
    records: Counter[str] = Counter()
    table_counts: Counter[tuple[str, str]] = Counter()
    entries: list[pa.Table] = []
    listed = done = 0
    with ExitStack() as stack:
        files = {}
        for written in _run(jobs, workers):
            for name, text in written.texts.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{name}.csv.part").open("wb"))
                    files[name].write(written.headers[name])
                files[name].write(text)
            records.update(written.records)
            table_counts.update({(note.table, note.kind): len(note.patient) for note in written.notes})
            total = sum(len(note.patient) for note in written.notes)
            if listed < LOG_LIMIT and total:
                entries.append(_list_entries(written.notes).slice(0, LOG_LIMIT - listed))
            listed += total
            done += written.patients
            if progress is not None:
                progress(done)
    for name in files:
        (folder / f"{name}.csv.part").replace(folder / f"{name}.csv")
    counts: Counter[str] = Counter()
    for (_, kind), count in table_counts.items():
        counts[kind] += count
    return CohortLog(
        patients,
        dict(records),
        dict(counts),
        dict(table_counts),
        pa.concat_tables(entries) if entries else _list_entries(()),
        listed <= LOG_LIMIT,
    )


def _list_entries(notes: tuple[Note, ...]) -> pa.Table:
    """Entries of one block in the order of its patients, so that they too are a prefix of a larger cohort's."""
    lengths = [len(note.patient) for note in notes]
    patient = np.concatenate([np.zeros(0, np.int64), *(note.patient for note in notes)])
    table = pa.table(
        {
            "table": pa.array(np.repeat([note.table for note in notes], lengths).tolist(), pa.string()),
            "kind": pa.array(np.repeat([note.kind for note in notes], lengths).tolist(), pa.string()),
            "source_record_id": pa.concat_arrays([pa.array([], pa.string()), *(note.record_id for note in notes)]),
        }
    )
    return table.take(pa.array(np.argsort(patient, kind="stable")))
