"""The cohort's files: the same bytes every time, clean where they should be, dirty only where the log says so."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pytest

from flows.cohort import DISPOSITIONS, KEY_COLUMNS, LATE_PATIENTS, simulate, write_cohort, write_dirty_files
from flows.cohort.dirt import STAINS
from flows.cohort.model import COHORT_ENDS_ON, TREATMENTS
from flows.cohort.tables import raw_walking_score

TABLES = {
    "patient": "birth_year sex country_code condition_code ms_course symptom_onset_year diagnosis_year"
    " progression_started_on progression_started_on_precision last_relapse_on last_relapse_on_precision"
    " is_relapse_free_24_months ambulation diagnosis_source height_cm weight_kg enrolled_on last_active_on",
    "consent": "scope status effective_at policy_version",
    "relapse": "started_on started_on_precision is_steroid_treated recovery",
    "symptom_report": "reported_on symptom_code severity body_region side perceived_cause is_worse_with_heat"
    " is_worse_after_exertion recall_days",
    "activity_limitation": "reported_on activity_code difficulty help",
    "weekly_activity": "week_starting_on active_minutes session_count sedentary_hours_per_day"
    " rest_break_count_per_day pacing inactivity_reasons",
    "fall_report": "period_started_on period_ended_on fall_count injurious_fall_count near_fall_count",
    "treatment_episode": "treatment_code category started_on started_on_precision stopped_on stopped_on_precision"
    " status last_confirmed_on dose_amount dose_unit dose_period sessions_per_week minutes_per_session purpose_codes"
    " stop_reasons prescribed_by",
    "treatment_evaluation": "source_episode_id evaluated_on purpose_code effectiveness side_effect_severity"
    " side_effect_codes adherence burden monthly_cost_band currency_code",
    "outcome_assessment": "instrument_code instrument_version assessed_on assessed_at mode language recall_days"
    " item_responses source_score",
}
PATIENTS = 2000
FEW_REPORTS = 0.1  # what is tested on bytes alone needs no full year of reports


@lru_cache(maxsize=8)  # most tests look at the same few files
def read(folder: Path, name: str) -> dict[str, np.ndarray]:
    """All columns as text; an empty field is an empty text."""
    path = folder / f"{name}.csv"
    header = path.read_text().split("\n", 1)[0].strip().split(",")
    convert = pa_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    table = pa_csv.read_csv(path, convert_options=convert)
    return {column: table[column].to_numpy() for column in table.column_names}


def records(folder: Path, name: str, ids: set[str]) -> list[dict[str, str]]:
    """Rows with one of these ids, in file order."""
    columns = read(folder, name)
    keys = pa.array(columns["source_record_id"], pa.string())
    chosen = np.flatnonzero(pc.is_in(keys, pa.array(list(ids), pa.string())))
    return [{column: values[row] for column, values in columns.items()} for row in chosen]


@pytest.fixture(scope="module")
def dirty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dirty")
    return folder, write_cohort(folder, PATIENTS)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    write_cohort(folder, 600, dirt=False)
    return folder


def noted(dirty, table: str, kind: str) -> set[str]:
    entries = dirty[1].entries
    chosen = pc.and_(pc.equal(entries["table"], table), pc.equal(entries["kind"], kind))
    found = set(entries.filter(chosen)["source_record_id"].to_pylist())
    assert found, f"no {kind} in {table}"
    return found


# --- the same bytes ---


def test_first_patients_of_a_larger_cohort_are_byte_for_byte_the_smaller_cohort(tmp_path):
    large = write_cohort(tmp_path / "3500", 3500, report_probability=FEW_REPORTS)
    for patients in (2000, 1300):
        small = write_cohort(tmp_path / str(patients), patients, report_probability=FEW_REPORTS)
        for name in small.records:
            part, whole = ((tmp_path / folder / f"{name}.csv").read_bytes() for folder in (str(patients), "3500"))
            assert whole.startswith(part), name
            assert len(part) < len(whole) or name == LATE_PATIENTS
        assert small.entries.equals(large.entries.slice(0, small.entries.num_rows))


def test_workers_and_a_second_run_do_not_change_a_byte(tmp_path):
    logs = [
        write_cohort(tmp_path / str(run), 2100, report_probability=FEW_REPORTS, workers=workers)
        for run, workers in enumerate((1, 1, 2))
    ]
    for name in logs[0].records:
        contents = {(tmp_path / str(run) / f"{name}.csv").read_bytes() for run in range(3)}
        assert len(contents) == 1, name
    assert logs[0].entries.equals(logs[2].entries)
    assert logs[0].counts == logs[1].counts == logs[2].counts


def test_another_seed_gives_other_patients(tmp_path):
    write_cohort(tmp_path / "a", 10, seed=1, report_probability=FEW_REPORTS)
    write_cohort(tmp_path / "b", 10, seed=2, report_probability=FEW_REPORTS)
    assert (tmp_path / "a/patient.csv").read_bytes() != (tmp_path / "b/patient.csv").read_bytes()


def test_dirt_does_not_change_who_the_patients_are(clean, dirty):
    touched = set(dirty[1].entries["source_record_id"].to_pylist())
    clean_lines = set((clean / "treatment_episode.csv").read_text().splitlines())
    dirty_lines = set((dirty[0] / "treatment_episode.csv").read_text().splitlines())
    lost = {line.split(",")[0] for line in clean_lines - dirty_lines}
    assert 0 < len(lost) < len(clean_lines) / 4
    assert lost <= touched


def test_files_appear_only_when_complete_and_progress_ends_at_all_patients(tmp_path):
    done: list[tuple[int, list[str]]] = []

    def note(patients: int) -> None:
        done.append((patients, [path.suffix for path in tmp_path.iterdir()]))

    write_cohort(tmp_path, 1200, report_probability=FEW_REPORTS, progress=note)
    assert [patients for patients, _ in done] == [1000, 1200]
    assert all(suffix == ".part" for _, suffixes in done for suffix in suffixes)
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"}


@pytest.mark.parametrize(
    "bad", [{"patients": 0}, {"patients": 5, "workers": 0}, {"patients": 5, "report_probability": 2}]
)
def test_impossible_orders_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match=r"cohort needs|report_probability"):
        write_cohort(tmp_path, **bad)


# --- shape ---


def test_header_is_the_key_columns_then_the_table_columns(dirty):
    for table, columns in TABLES.items():
        header = (dirty[0] / f"{table}.csv").read_text().split("\n", 1)[0].strip().split(",")
        assert header == [*KEY_COLUMNS, *columns.split()]
    assert {path.stem for path in dirty[0].iterdir()} == {*TABLES, LATE_PATIENTS}


def test_header_agrees_with_the_contract(dirty):
    contract = pytest.importorskip("schemas.contract", reason="the contracts are not there yet")
    for table in TABLES:
        delivered = {column.delivered_name for column in contract.contract(table).delivered_columns}
        assert set((dirty[0] / f"{table}.csv").read_text().split("\n", 1)[0].strip().split(",")) == delivered, table


def test_unknown_words_meet_the_action_of_their_contract(dirty):
    contract = pytest.importorskip("schemas.contract", reason="the contracts are not there yet")
    words = {"middle", "robot", "rarely", "paused", "huge", "telegram"}
    action = {"refuse": "refused", "blank": "blanked"}
    for kind in ("unknown_closed_code", "unknown_optional_code"):
        for table in {stain.table for stain in STAINS if stain.kind == kind}:
            row = records(dirty[0], table, noted(dirty, table, kind))[0]
            (column,) = (column for column, value in row.items() if value in words)
            assert action[contract.contract(table).column(column).on_failure] == DISPOSITIONS[kind], (table, column)


def test_log_counts_the_rows_of_each_file(dirty):
    for name, count in dirty[1].records.items():
        assert (dirty[0] / f"{name}.csv").read_bytes().count(b"\n") - 1 == count, name


# --- clean records keep the rules ---


def test_clean_reports_hold_only_what_the_lists_allow(clean):
    rows = read(clean, "symptom_report")
    assert set(rows["severity"]) == {"0", "1", "2", "3"}
    assert set(rows["side"]) <= {"left", "right", "both", "not_applicable"}
    assert set(rows["is_deleted"]) == {"false"}
    assert max(rows["reported_on"]) <= str(COHORT_ENDS_ON)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", text) for text in rows["source_updated_at"][:2000])
    per_report = Counter(zip(rows["source_patient_id"], rows["reported_on"], strict=True))
    assert min(per_report.values()) >= 5 and max(per_report.values()) <= 8  # weakness, fatigue, three to six others
    assert (
        Counter(rows["symptom_code"])["fatigue"] == Counter(rows["symptom_code"])["muscle_weakness"] == len(per_report)
    )


def test_clean_record_ids_are_unique_and_name_a_patient(clean):
    patients = set(read(clean, "patient")["source_patient_id"])
    assert len(patients) == 600
    for table in TABLES:
        rows = read(clean, table)
        assert len(set(rows["source_record_id"])) == len(rows["source_record_id"]), table
        assert set(rows["source_patient_id"]) <= patients


def test_clean_weeks_start_on_mondays_within_their_month(clean):
    rows = read(clean, "weekly_activity")
    day = rows["week_starting_on"].astype("M8[D]")
    assert set((day.astype(int) + 3) % 7) == {0}
    months = Counter(zip(rows["source_patient_id"], day.astype("M8[M]").astype(str), strict=True))
    assert max(months.values()) == 1


def test_clean_walking_items_add_up_to_the_score(clean):
    rows = read(clean, "outcome_assessment")
    walks = np.flatnonzero((rows["instrument_code"] == "msws_12") & (rows["source_score"] != ""))
    for row in walks[:3000]:
        items = [int(item) for item in rows["item_responses"][row].split("|")]
        assert len(items) == 12 and min(items) >= 1 and max(items) <= 5
        assert float(rows["source_score"][row]) == round((sum(items) - 12) / 48 * 100, 2)
    skipped = np.flatnonzero((rows["instrument_code"] == "msws_12") & (rows["source_score"] == ""))
    assert {next(iter(sorted(Counter(rows["item_responses"][row].split("|"))))) for row in skipped} == {""}


def test_clean_fatigue_scores_are_the_mean_of_nine_items(clean):
    rows = read(clean, "outcome_assessment")
    for row in np.flatnonzero(rows["instrument_code"] == "fss")[:500]:
        items = [int(item) for item in rows["item_responses"][row].split("|")]
        assert len(items) == 9 and min(items) >= 1 and max(items) <= 7
        assert float(rows["source_score"][row]) == round(sum(items) / 9, 2)


def test_clean_treatments_have_an_order_in_time_and_reasons_only_if_stopped(clean):
    rows = read(clean, "treatment_episode")
    is_stopped = rows["status"] == "stopped"
    assert set(rows["status"]) == {"current", "stopped"}
    assert (rows["stopped_on"][is_stopped] >= rows["started_on"][is_stopped]).all()
    assert set(rows["stopped_on"][~is_stopped]) == set(rows["stop_reasons"][~is_stopped]) == {""}
    assert (rows["last_confirmed_on"] >= rows["started_on"]).all()
    is_medicine = np.isin(
        rows["treatment_code"].astype(str), ["dalfampridine", "baclofen", "amantadine", "ocrelizumab"]
    )
    assert ((rows["dose_amount"] != "") == is_medicine).all()


def test_clean_evaluations_name_an_episode_and_fall_into_its_window(clean):
    episodes = read(clean, "treatment_episode")
    span = {
        key: (start, stop or str(COHORT_ENDS_ON))
        for key, start, stop in zip(
            episodes["source_record_id"], episodes["started_on"], episodes["stopped_on"], strict=True
        )
    }
    rows = read(clean, "treatment_evaluation")
    for key, text in zip(rows["source_episode_id"], rows["evaluated_on"], strict=True):
        start, stop = span[key]
        if text:
            day = np.datetime64(text)
            assert np.datetime64(start) - 7 <= day <= np.datetime64(stop) + 90


def test_nrspms_patients_had_their_last_relapse_over_24_months_ago_or_do_not_know(clean):
    rows = read(clean, "patient")
    is_nrspms = simulate(600).course == 1
    assert set(rows["ms_course"][is_nrspms]) == {"spms"}
    known = rows["last_relapse_on"][is_nrspms]
    assert max(known) < str(COHORT_ENDS_ON - np.timedelta64(731, "D"))
    stated = Counter(rows["is_relapse_free_24_months"][is_nrspms])
    assert stated["true"] > 0.6 * is_nrspms.sum() and stated["false"] == 0 and stated[""] > 0


def test_files_carry_the_latent_model_exactly(clean):
    """Scores, severities, starts and stops in the files are those of the model: what it plants can be recovered."""
    block = simulate(600)
    rows = read(clean, "outcome_assessment")
    chosen = rows["instrument_code"] == "msws_12"
    given = {
        (int(patient[1:]) - 1, str(day)): score
        for patient, day, score in zip(
            rows["source_patient_id"][chosen], rows["assessed_on"][chosen], rows["source_score"][chosen], strict=True
        )
    }
    expected = np.round((raw_walking_score(block.score) - 12) / 48 * 100, 2)
    seen = list(zip(*np.nonzero(block.is_seen), strict=True))
    assert len(seen) == len(given)
    for patient, month in seen[:4000]:
        score = given[patient, str(block.reported_on[patient, month].astype("M8[D]"))]
        assert score == "" or float(score) == expected[patient, month]
    episodes = read(clean, "treatment_episode")
    yoga = TREATMENTS.index("yoga")
    takers = np.flatnonzero(block.start_month[:, yoga] >= 0)
    is_yoga = episodes["treatment_code"] == "yoga"
    assert list(episodes["started_on"][is_yoga]) == [str(day) for day in block.started_on[takers, yoga].astype("M8[D]")]
    stops = np.where(block.is_stopped[takers, yoga], block.stopped_on[takers, yoga].astype("M8[D]").astype(str), "")
    assert list(episodes["stopped_on"][is_yoga]) == list(stops)


# --- dirt ---


def test_every_kind_of_dirt_occurs_and_every_count_has_its_entries(dirty):
    log = dirty[1]
    assert log.is_complete
    assert set(log.counts) == set(DISPOSITIONS)
    pairs = zip(log.entries["table"].to_pylist(), log.entries["kind"].to_pylist(), strict=True)
    assert Counter(pairs) == log.table_counts
    for stain in STAINS:
        assert log.table_counts[stain.table, stain.kind] > 0, (stain.table, stain.kind)


def test_rates_of_dirt_are_near_the_planned_ones(dirty):
    log = dirty[1]
    reports = log.records["symptom_report"]
    for stain in STAINS:
        if stain.table == "symptom_report" and stain.select is None:
            share = log.table_counts[stain.table, stain.kind] / reports
            assert abs(share - stain.rate) <= 4 * (stain.rate / reports) ** 0.5 + 0.02 * stain.rate, stain.kind


def test_a_record_has_one_kind_of_dirt(dirty):
    entries = dirty[1].entries
    is_consent = pc.starts_with(entries["kind"], "consent_")
    ids = Counter(entries.filter(pc.invert(is_consent))["source_record_id"].to_pylist())
    twice = {key for key, count in ids.items() if count > 1}
    assert not twice


def test_duplicates_are_equal_rows_and_nothing_else_is_repeated(dirty):
    lines = Counter((dirty[0] / "fall_report.csv").read_text().splitlines())
    repeated = {line.split(",")[0] for line, count in lines.items() if count == 2}
    assert repeated == noted(dirty, "fall_report", "exact_duplicate")
    assert max(lines.values()) == 2


def test_restated_and_conflicting_reports_end_with_the_true_severity(dirty):
    rows = records(dirty[0], "symptom_report", noted(dirty, "symptom_report", "restated"))
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        pair = (first, second) if first["source_record_id"] == second["source_record_id"] else None
        if pair:
            assert first["source_updated_at"] < second["source_updated_at"]
            assert first["severity"] != second["severity"]
    by_id = Counter(row["source_record_id"] for row in rows)
    assert set(by_id.values()) == {2}
    other = noted(dirty, "symptom_report", "conflicting_report")
    rows = records(dirty[0], "symptom_report", other | {f"{key}-B" for key in other})
    found = {row["source_record_id"]: row for row in rows}
    for key in other:
        first, second = found[key], found[f"{key}-B"]
        assert (first["reported_on"], first["symptom_code"]) == (second["reported_on"], second["symptom_code"])
        assert first["severity"] != second["severity"]
        assert first["source_updated_at"] < second["source_updated_at"]
    truth = {row["source_record_id"]: row["severity"] for row in rows if row["source_record_id"].endswith("-B")}
    block = simulate(PATIENTS)
    for key, severity in truth.items():
        patient, slot = int(key[4:11]) - 1, int(key.split("-")[2])
        month, symptom = divmod(slot, 17)
        if symptom == 0:
            assert int(severity) == np.digitize(block.score[patient, month], (28, 48, 68))


def test_tombstones_come_later_and_hold_nothing(dirty):
    rows = records(dirty[0], "outcome_assessment", noted(dirty, "outcome_assessment", "tombstone"))
    ended = [row for row in rows if row["is_deleted"] == "true"]
    assert len(ended) == len(rows) / 2
    before = {row["source_record_id"]: row["source_updated_at"] for row in rows if row["is_deleted"] == "false"}
    for row in ended:
        assert row["source_updated_at"] > before[row["source_record_id"]]
        assert {value for column, value in row.items() if column not in KEY_COLUMNS} == {""}


def test_late_records_arrive_over_60_days_after_their_date(dirty):
    late = noted(dirty, "fall_report", "late_arrival")
    rows = read(dirty[0], "fall_report")
    days = np.array([text[:10] for text in rows["source_updated_at"]], "M8[D]") - rows["period_ended_on"].astype(
        "M8[D]"
    )
    is_late = days > np.timedelta64(60, "D")
    assert set(rows["source_record_id"][is_late]) == late
    assert max(rows["source_updated_at"]) < "2025-10-06"


def test_refused_kinds_break_the_rule_they_are_named_for(dirty):
    folder = dirty[0]
    for row in records(folder, "treatment_episode", noted(dirty, "treatment_episode", "stop_before_start")):
        assert row["stopped_on"] < row["started_on"]
    for row in records(folder, "symptom_report", noted(dirty, "symptom_report", "future_date")):
        assert row["reported_on"] > "2032"
    for row in records(folder, "symptom_report", noted(dirty, "symptom_report", "severity_out_of_range")):
        assert row["severity"] in {"9", "-1", "4"}
    for row in records(folder, "symptom_report", noted(dirty, "symptom_report", "local_date")):
        assert re.fullmatch(r"\d\d/\d\d/\d{4}", row["reported_on"])
    for row in records(folder, "symptom_report", noted(dirty, "symptom_report", "serial_date")):
        assert 44_000 < int(row["reported_on"]) < 46_000
    for row in records(folder, "fall_report", noted(dirty, "fall_report", "injuries_exceed_falls")):
        assert int(row["injurious_fall_count"]) > int(row["fall_count"])
    for row in records(folder, "treatment_episode", noted(dirty, "treatment_episode", "month_in_words")):
        assert re.fullmatch(r"[A-Z][a-z]{2} \d{4}", row["started_on"])


def test_admitted_and_blanked_kinds_look_as_named(dirty):
    folder = dirty[0]
    words = {
        row["severity"]
        for row in records(folder, "symptom_report", noted(dirty, "symptom_report", "severity_in_words"))
    }
    assert {" none ", "Moderate", "SEVERE"} <= words
    for row in records(folder, "treatment_evaluation", noted(dirty, "treatment_evaluation", "curly_apostrophe")):
        assert row["effectiveness"] == "Can\u2019t tell"
    for row in records(folder, "patient", noted(dirty, "patient", "height_in_feet")):
        assert 5 <= float(row["height_cm"]) < 7
    for row in records(folder, "outcome_assessment", noted(dirty, "outcome_assessment", "score_mismatch")):
        own = (sum(map(int, row["item_responses"].split("|"))) - 12) / 48 * 100
        assert abs(own - float(row["source_score"])) > 2
    for row in records(folder, "treatment_episode", noted(dirty, "treatment_episode", "glued_unit")):
        assert re.fullmatch(r"\d+mg BID", row["dose_amount"])
    for row in records(folder, "treatment_episode", noted(dirty, "treatment_episode", "stale_current")):
        assert row["status"] == "current" and row["started_on"] <= row["last_confirmed_on"] < "2025-04-04"
    episodes = dict(zip(*map(read(folder, "treatment_episode").get, ("source_record_id", "started_on")), strict=True))
    for row in records(folder, "treatment_evaluation", noted(dirty, "treatment_evaluation", "evaluation_before_start")):
        assert row["evaluated_on"] < episodes[row["source_episode_id"]]


def test_waiting_kinds_have_no_parent_in_reach(dirty):
    folder = dirty[0]
    late = {
        row["source_patient_id"]
        for row in records(folder, LATE_PATIENTS, noted(dirty, "patient", "patient_after_children"))
    }
    assert late and not late & set(read(folder, "patient")["source_patient_id"])
    assert late <= set(read(folder, "symptom_report")["source_patient_id"])
    refused = set().union(
        *(
            noted(dirty, "treatment_episode", kind)
            for kind in ("unknown_closed_code", "stop_before_start", "month_in_words")
        )
    )
    rows = records(folder, "treatment_evaluation", noted(dirty, "treatment_evaluation", "parent_refused"))
    assert {row["source_episode_id"] for row in rows} <= refused


def test_consent_is_withdrawn_or_never_given_by_two_in_a_hundred(dirty):
    rows = read(dirty[0], "consent")
    withdrawn = noted(dirty, "consent", "consent_withdrawn")
    assert set(rows["source_record_id"][rows["status"] == "withdrawn"]) == withdrawn
    never = noted(dirty, "patient", "consent_never")
    granted = set(rows["source_patient_id"][rows["scope"] == "aggregate_release"])
    assert len(granted) + len(never) == PATIENTS
    assert abs(len(withdrawn) - 40) <= 20 and abs(len(never) - 40) <= 20


def test_log_stops_listing_at_its_limit_but_counts_on(tmp_path, monkeypatch):
    monkeypatch.setattr("flows.cohort.LOG_LIMIT", 50)
    log = write_cohort(tmp_path, 1000, report_probability=FEW_REPORTS)
    assert not log.is_complete
    assert log.entries.num_rows == 50 < sum(log.counts.values())
    assert log.expected("waiting") == log.counts["patient_after_children"] + log.counts["parent_refused"]


def test_dirty_files_are_what_they_are_called(tmp_path):
    files = {(file.table, file.kind): file for file in write_dirty_files(tmp_path)}
    bytes_of = {kind: file.path.read_bytes() for (_, kind), file in files.items()}
    assert len(files) == len({file.path for file in files.values()}) == 18
    assert bytes_of["bom"].startswith(b"\xef\xbb\xbf")
    assert bytes_of["utf16"][:2] in {b"\xff\xfe", b"\xfe\xff"}
    assert b"\x92" in bytes_of["cp1252"] and "Can\u2019t" in bytes_of["cp1252"].decode("cp1252")
    with pytest.raises(UnicodeDecodeError):
        bytes_of["invalid-bytes"].decode()
    assert re.search(rb";\d+,\d\d\n", bytes_of["semicolon"])
    assert not bytes_of["truncated"].endswith(b"\n")
    assert bytes_of["zero-rows"].count(b"\n") == 1 and bytes_of["empty"] == b""
    assert b"severity" not in bytes_of["missing-column"]
    assert all(line.endswith(b",") for line in bytes_of["trailing-column"].splitlines())
    assert bytes_of["totals-row"].splitlines()[-1].startswith(b"Total,")
    assert b'"7\n"' in bytes_of["quoted-newline"]
    again = tmp_path / "again"
    write_dirty_files(again)
    assert {file.path.name: file.path.read_bytes() for file in files.values()} == {
        p.name: p.read_bytes() for p in again.iterdir()
    }
