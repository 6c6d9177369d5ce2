"""What the benchmarks share: commands measured, and a floor in the same run on the same machine to compare them with.

The floor is a bare typed `CREATE TABLE AS` over `read_csv`: it checks nothing, keeps no history, identifies no one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

OUTCOMES = Path(sys.executable).parent / "outcomes"
# Symptom reports a patient in the synthetic cohort.
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


def ratio(seconds_and_memory: tuple[float, float], floor: float) -> tuple[float, float, float]:
    seconds, memory = seconds_and_memory
    return seconds, floor, memory


def show(what: str, seconds: float, floor: float, memory: float) -> None:
    print(f"{what:45s} {seconds:7.2f} s  {seconds / floor:6.2f} x floor  {memory:5.2f} GB", flush=True)
