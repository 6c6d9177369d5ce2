"""Speed and memory of `outcomes ingest`, as ratios against a floor measured in the same run on the same machine.

The floor is a bare typed `CREATE TABLE AS` over `read_csv`: it checks nothing, keeps no history, identifies no one.

    python tests/benchmarks/ingest.py [--records 5000000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OUTCOMES = Path(sys.executable).parent / "outcomes"
REPORTS_A_PATIENT = 187.2
FLOOR = """
import sys, duckdb
from schemas.contract import contract
types = {c.delivered_name: c.sql_type for c in contract("symptom_report").delivered_columns}
columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
con = duckdb.connect(sys.argv[2], config={"memory_limit": "1GB"})
header = open(sys.argv[1]).readline().strip().split(",")
columns = ", ".join(f"'{name}': '{types[name]}'" for name in header)
con.execute(f"CREATE TABLE t AS SELECT * FROM read_csv(?, header = true, auto_detect = false, delim = ',', columns = {{{columns}}})", [sys.argv[1]])
con.close()
"""


def measured(*command: str | Path) -> tuple[float, float]:
    """Seconds and peak memory (GB) of a command; stops the benchmark if it fails."""
    # What was written before must not be waited for by whoever syncs next.
    os.sync()
    began = time.perf_counter()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = child.stdout.read() if child.stdout else b""
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{output.decode(errors='replace')}")
    scale = 1 << 30 if sys.platform == "darwin" else 1 << 20
    return time.perf_counter() - began, usage.ru_maxrss / scale


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=5_000_000)
    options.add_argument("--folder", type=Path)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        run(Path(name), given.records)


def run(folder: Path, records: int) -> None:
    from flows.cohort import write_cohort

    patients = round(records / REPORTS_A_PATIENT)
    print(f"a cohort of {patients:,} patients …", flush=True)
    log = write_cohort(folder / "cohort", patients, dirt=False)
    reports = folder / "cohort" / "symptom_report.csv"
    print(
        f"{log.records['symptom_report']:,} symptom reports, {reports.stat().st_size / 1e6:,.0f} MB, {os.cpu_count()} cores\n"
    )
    floor, floor_memory = measured(sys.executable, "-c", FLOOR, reports, folder / "floor.duckdb")
    show("floor: typed CREATE TABLE AS over read_csv", floor, floor, floor_memory)
    workspace = folder / "workspace"
    measured(OUTCOMES, "init", workspace)
    ingest = (OUTCOMES, "--workspace", workspace, "ingest")
    measured(*ingest, folder / "cohort" / "patient.csv", folder / "cohort" / "consent.csv")
    anew = folder / "symptom_report-anew.csv"
    with reports.open("rb") as old, anew.open("wb") as new:
        shutil.copyfileobj(old, new)
        new.write(b"\n")
    for what, file in (
        ("first load: land to published", reports),
        ("the same file again", reports),
        ("the same records in a new file", anew),
    ):
        # Delivered as exporters do it, by a rename into landing.
        os.link(file, workspace / "landing" / "canonical" / file.name)
        show(what, *ratio(measured(*ingest), floor))
    show("status", *ratio(measured(OUTCOMES, "--workspace", workspace, "status"), floor))
    show(
        "query",
        *ratio(
            measured(OUTCOMES, "--workspace", workspace, "query", "SELECT count(*) FROM history.symptom_report"), floor
        ),
    )
    show("report: build to pages", *ratio(measured(OUTCOMES, "--workspace", workspace, "report"), floor))


def ratio(seconds_and_memory: tuple[float, float], floor: float) -> tuple[float, float, float]:
    seconds, memory = seconds_and_memory
    return seconds, floor, memory


def show(what: str, seconds: float, floor: float, memory: float) -> None:
    print(f"{what:45s} {seconds:7.2f} s  {seconds / floor:6.2f} x floor  {memory:5.2f} GB", flush=True)


if __name__ == "__main__":
    main()
