"""Nested monthly trials: what became of those who started a treatment, beside matched patients who did not.

At each month those who start are compared with those who never started before and do not start then, by what was known
before; else the time until a start would count as time on treatment. Controls who start later stay in: to leave them out would
select by the future (addendum B, 4.12). What is not measured is not matched: the figure is an association.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from flows.stages.inference import (
    FEWEST_PATIENTS,
    Flags,
    Floats,
    Ints,
    Z,
    e_values,
    false_discovery_rates,
    product,
    settled,
    two_sided_p,
)
from flows.stages.matching import deviations_before, match_pairs, propensity_logits, standardised_differences

COVARIATES = (
    "baseline",
    "trend",
    "weakness",
    "fatigue",
    "activity",
    "disability",
    "age",
    "female",
    "nrspms",
    "other_progressive",
    "years_diagnosed",
    "treatments",
)
GREATEST_IMBALANCE = 0.1  # of a standard deviation: from there on no difference is shown (domain 4.12)

_BALANCE = pa.list_(pa.struct([("covariate", pa.string()), ("before", pa.float64()), ("after", pa.float64())]))
_PAIR = pa.struct(
    [
        ("starter_id", pa.string()),
        ("control_id", pa.string()),
        ("is_still_taking", pa.bool_()),
        ("has_crossed_over", pa.bool_()),
    ]
)
_EFFECT = [("difference", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("imbalance", pa.float64())]
SCHEMA = pa.schema(
    [
        ("treatment_code", pa.string()),
        ("outcome_code", pa.string()),
        ("candidate_count", pa.int64()),
        *_EFFECT,
        *((f"still_{name}", kind) for name, kind in _EFFECT),
        ("e_value", pa.float64()),
        ("e_value_limit", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("balance", _BALANCE),
        ("pairs", pa.list_(_PAIR)),
    ]
)


@dataclass(frozen=True)
class Candidates:
    """The candidates of one treatment and outcome, in the order of the statement: by stratum, starters first."""

    patient: Ints  # (n,) number of the patient
    patient_id: pa.DictionaryArray  # (n,)
    stratum: Ints  # (n,)
    is_starter: Flags  # (n,)
    is_still_taking: Flags  # (n,)
    has_crossed_over: Flags  # (n,)
    follow_up: Floats  # (n,)
    covariates: Floats  # (n, k) complete; where something was missing, its mean and a covariate that says so
    names: tuple[str, ...]  # (k,)


def compare(rows: pa.Table) -> pa.Table:
    """One row a treatment and outcome, from the candidates of all (statement marts/comparison).

    `difference`: mean follow-up of starters less that of their matched controls, adjusted by regression for what little
    imbalance is left; `still_difference`: the same of the pairs whose starter was still taking the treatment. NULL, and
    nothing else of it either, with fewer than 30 pairs or an imbalance of .1 or more. q values: one family an outcome.
    """
    found = [_compare_one(treatment, outcome, candidates) for treatment, outcome, candidates in _groups(rows)]
    for outcome in sorted({row["outcome_code"] for row in found}):
        family = [row for row in found if row["outcome_code"] == outcome]
        for row, q in zip(family, false_discovery_rates([row.get("p_value") for row in family]), strict=True):
            row["q_value"] = q
    return pa.Table.from_pylist(found, schema=SCHEMA)


def _groups(rows: pa.Table) -> Iterator[tuple[str, str, Candidates]]:
    keys = [rows[name].combine_chunks().dictionary_encode() for name in ("treatment_code", "outcome_code")]
    codes = [key.indices.to_numpy() for key in keys]
    is_new = (np.diff(codes[0], prepend=-1) != 0) | (np.diff(codes[1], prepend=-1) != 0)
    bounds = [*np.flatnonzero(is_new).tolist(), rows.num_rows]
    for first, last in itertools.pairwise(bounds):
        names = [key.dictionary[int(code[first])].as_py() for key, code in zip(keys, codes, strict=True)]
        yield names[0], names[1], _candidates(rows.slice(first, last - first))


def _candidates(rows: pa.Table) -> Candidates:
    columns, names = [], []
    for name in COVARIATES:
        value = rows[name].to_numpy().astype(np.float64)
        is_missing = np.isnan(value)
        if is_missing.all():
            continue
        columns.append(np.where(is_missing, value[~is_missing].mean(), value))
        names.append(name)
        if is_missing.any():
            columns.append(is_missing.astype(np.float64))
            names.append(f"{name} not known")
    ids = rows["patient_id"].combine_chunks().dictionary_encode()
    return Candidates(
        ids.indices.to_numpy().astype(np.int64),
        ids,
        rows["stratum"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64),
        rows["is_starter"].to_numpy(),
        rows["is_still_taking"].to_numpy(),
        rows["has_crossed_over"].to_numpy(),
        rows["follow_up"].to_numpy(),
        np.column_stack(columns),
        tuple(names),
    )


def _compare_one(treatment: str, outcome: str, found: Candidates) -> dict[str, Any]:
    row: dict[str, Any] = {
        "treatment_code": treatment,
        "outcome_code": outcome,
        "candidate_count": len(found.patient),
        "balance": [],
        "pairs": [],
    }
    is_starter = found.is_starter
    if min(int(is_starter.sum()), int((~is_starter).sum())) < FEWEST_PATIENTS:
        return row
    x = _scaled(found.covariates)
    logits = propensity_logits(x[:, _independent(x)], is_starter)
    if logits is None:
        return row
    deviations = deviations_before(x[is_starter], x[~is_starter])
    pairs = match_pairs(
        logits, x / np.where(deviations > 0.0, deviations, 1.0), is_starter, found.is_still_taking, found.stratum
    )
    before = standardised_differences(x[is_starter], x[~is_starter], deviations)
    after = _balance(x, pairs, deviations)
    row["balance"] = [
        {"covariate": name, "before": settled(b), "after": None if after is None else settled(a)}
        for name, b, a in zip(found.names, before, before if after is None else after, strict=True)
    ]
    row["pairs"] = [
        {
            "starter_id": found.patient_id[starter].as_py(),
            "control_id": found.patient_id[control].as_py(),
            "is_still_taking": bool(found.is_still_taking[starter]),
            "has_crossed_over": bool(found.has_crossed_over[control]),
        }
        for starter, control in pairs.tolist()
    ]
    still = pairs[found.is_still_taking[pairs[:, 0]]]
    started = _effect(found, x, pairs, after)
    row |= started | {
        f"still_{key}": value for key, value in _effect(found, x, still, _balance(x, still, deviations)).items()
    }
    if (difference := started.get("difference")) is not None:
        row["p_value"] = two_sided_p(difference, (started["high"] - started["low"]) / (2.0 * Z))
        deviation = float(found.follow_up[pairs[:, 1]].std(ddof=1))
        if (evidence := e_values(difference, started["low"], started["high"], deviation)) is not None:
            row["e_value"], row["e_value_limit"] = (settled(value) for value in evidence)
    return row


def _scaled(x: Floats) -> Floats:
    deviation = x.std(axis=0)
    scaled: Floats = (x - x.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0)
    return scaled


def _independent(x: Floats) -> list[int]:
    """Columns, from the first on, of which none follows from the ones before it or from a constant."""
    chosen: list[int] = []
    basis = np.ones((len(x), 1)) / len(x) ** 0.5
    for column in range(x.shape[1]):
        rest = x[:, column] - product("nb,b->n", basis, product("nb,n->b", basis, x[:, column]))
        length = float(np.linalg.norm(rest))
        if length > 1e-6 * len(x) ** 0.5:
            chosen.append(column)
            basis = np.column_stack([basis, rest / length])
    return chosen


def _balance(x: Floats, pairs: Ints, deviations: Floats) -> Floats | None:
    return standardised_differences(x[pairs[:, 0]], x[pairs[:, 1]], deviations) if len(pairs) else None


def _effect(found: Candidates, x: Floats, pairs: Ints, balance: Floats | None) -> dict[str, float]:
    """Difference with its 95 % interval and the greatest imbalance; without the first three where they are refused."""
    if balance is None:
        return {}
    imbalance = settled(float(np.abs(balance).max()))
    if len(pairs) < FEWEST_PATIENTS or imbalance >= GREATEST_IMBALANCE:
        return {"imbalance": imbalance}
    rows = pairs.T.ravel()
    treated = found.is_starter[rows].astype(np.float64)
    covariates = x[rows][:, _independent(x[rows])]
    design = np.column_stack([np.ones(len(rows)), treated, covariates])
    difference, error = regress(design, found.follow_up[rows], found.patient[rows])
    return {
        "difference": settled(difference),
        "low": settled(difference - Z * error),
        "high": settled(difference + Z * error),
        "imbalance": imbalance,
    }


def regress(design: Floats, outcome: Floats, cluster: Ints) -> tuple[float, float]:
    """Coefficient of the second column by least squares, and its error clustered by patient.

    Sandwich with the usual small-sample factor G/(G-1) (N-1)/(N-k): a patient may be a control in several months.
    """
    bread = np.linalg.pinv(product("nk,nj->kj", design, design), hermitian=True)
    beta = bread @ product("nk,n->k", design, outcome)
    scores = design * (outcome - product("nk,k->n", design, beta))[:, None]
    _, place = np.unique(cluster, return_inverse=True)
    sums = np.zeros((int(place.max()) + 1, design.shape[1]))
    np.add.at(sums, place, scores)
    (n, k), g = design.shape, len(sums)
    covariance = bread @ product("gk,gj->kj", sums, sums) @ bread * (g / (g - 1)) * ((n - 1) / (n - k))
    return float(beta[1]), float(covariance[1, 1] ** 0.5)
