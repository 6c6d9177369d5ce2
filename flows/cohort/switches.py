"""Switches: some of those who stopped a treatment of the model began another of its strategy within two months.

What they begin has no effect in the model, and nobody else takes it. The rows are added when all others are made, dirt too, from
a stream of their own, so that they change no other record.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flows.cohort import model
from flows.cohort.columns import (
    SWITCH_STREAM,
    Rows,
    constant,
    dates,
    enrolment,
    known_after,
    last_seen,
    number_of,
    pick,
    rows_of,
)
from flows.cohort.model import Block

# stopped treatment, strategy, purpose of the next one, shares of those who stopped that begin it
SWITCHES = (
    ("baclofen", "medication", "spasticity", (("tizanidine", 0.30), ("dantrolene", 0.12))),
    ("yoga", "exercise", "balance", (("tai_chi", 0.25),)),
)
NEXT_TREATMENTS = tuple(code for *_, following in SWITCHES for code, _ in following)
EARLIEST_DAY, LATEST_DAY = -10, 60  # days after the stop


def make_switches(seed: int, block: Block, columns: Rows) -> Rows:
    """Episodes of the next treatments, in the columns of the episodes given; none begins after the last day of the cohort."""
    g = model.open_stream(seed, number_of(block), SWITCH_STREAM)
    size = len(block.patient)
    who_parts, kind_parts, start_parts = [], [], []
    for stopped, _, _, following in SWITCHES:
        place = model.TREATMENTS.index(stopped)
        stop = block.stopped_on[:, place]
        u, days = g.random(size), g.integers(EARLIEST_DAY, LATEST_DAY + 1, size)
        # Not before the treatment that it follows.
        start = np.maximum(stop + days, block.started_on[:, place] + 1)
        is_over = (block.start_month[:, place] >= 0) & (stop <= model.END_DAY) & (start <= model.END_DAY)
        lower = 0.0
        for code, share in following:
            chosen = np.flatnonzero(is_over & (u >= lower) & (u < lower + share))
            lower += share
            who_parts.append(chosen)
            kind_parts.append(np.full(len(chosen), NEXT_TREATMENTS.index(code)))
            start_parts.append(start[chosen])
    order = np.argsort(np.concatenate(who_parts), kind="stable")
    who, kind, start = (np.concatenate(parts)[order] for parts in (who_parts, kind_parts, start_parts))
    strategy = tuple(row[1] for row in SWITCHES for _ in row[3])
    purpose = tuple(row[2] for row in SWITCHES for _ in row[3])
    n = len(who)
    confirmed = np.maximum(last_seen(block, enrolment(seed, block))[who], start)
    known = {
        "treatment_code": pick(NEXT_TREATMENTS, kind),
        "category": pick(strategy, kind),
        "started_on": dates(start),
        "started_on_precision": constant("day", n),
        "status": constant("current", n),
        "last_confirmed_on": dates(confirmed),
        "purpose_codes": pick(purpose, kind),
        "prescribed_by": pick(tuple("clinician" if word == "medication" else "self" for word in strategy), kind),
    }
    filled = {name: known.get(name, pa.nulls(n, column.type)) for name, column in columns.columns.items()}
    suffix = pick(tuple(f"next-{code}" for code in NEXT_TREATMENTS), kind)
    return rows_of("treatment_episode", "TE", block, who, suffix, known_after(g, confirmed), filled)
