"""The reference scorer against published formulas, and the instruments' files against themselves."""

from fractions import Fraction
from pathlib import Path

import pytest

from schemas.instruments import instrument, instruments, read_instrument, score

EXAMPLE = """
name: Example
measures: Nothing
direction: higher_worse
items_text: none
licence: {terms: none, source: this test}
validated_in: nobody
versions:
  v1: {items: [{count: 2, minimum: 0, maximum: 4}], source: this test}
scales:
  total: {method: sum, items: [1, 2], minimum: 0, maximum: 8, missing: {min_count: 2, impute: none}}
"""


def shown(code, version, scale, responses):
    """The score as people read it."""
    value = score(code, version, scale, responses).value
    return None if value is None else round(float(value), 2)


def summing_to(total, count, low, high):
    """Answers within their range that add up to a total."""
    answers, rest = [low] * count, total - low * count
    for i in range(count):
        answers[i] += min(rest, high - low)
        rest -= answers[i] - low
    assert rest == 0
    return answers


@pytest.mark.parametrize(
    ("code", "version", "scale", "responses", "expected"),
    [
        ("msws_12", "v1", "total", [1] * 12, 0),
        ("msws_12", "v1", "total", [5] * 12, 100),
        ("msws_12", "v1", "total", summing_to(34, 12, 1, 5), 45.83),  # (34 - 12) / 48
        ("msws_12", "v2", "total", [3, 3, 3, *summing_to(25, 9, 1, 5)], 52.38),  # (34 - 12) / 42
        ("msws_12", "v2", "total", [3, 3, 3] + [5] * 9, 100),
        ("msis_29", "v1", "physical", summing_to(60, 20, 1, 5) + [1] * 9, 50),  # (60 - 20) / 80
        ("msis_29", "v2", "physical", summing_to(47, 20, 1, 4) + [1] * 9, 45),  # (47 - 20) / 60
        ("msis_29", "v2", "psychological", [1] * 20 + summing_to(27, 9, 1, 4), 66.67),  # (27 - 9) / 27
        ("mfis", "v1", "physical", [4] * 21, 36),
        ("mfis", "v1", "cognitive", [4] * 21, 40),
        ("mfis", "v1", "psychosocial", [4] * 21, 8),
        ("mfis", "v1", "total", [4] * 21, 84),
        ("mfis", "v1", "mfis_ex_4_13", [4] * 21, 76),
        ("mfis_5", "v1", "total", [4] * 5, 20),
        ("fss", "v1", "mean", [5] * 9, 5.0),
        ("fss", "v1", "mean", [5] * 8 + [6], 5.11),  # 46 / 9
        ("msrs_r", "v1", "total", [4] * 8, 32),
        ("pdds", "v1", "step", [6], 6),
        ("eq_vas", "v1", "rating", [70], 70),
        ("narcoms_ps", "v1", "total", [6] + [5] * 7, 41),
    ],
)
def test_complete_answers_score_as_published(code, version, scale, responses, expected):
    assert shown(code, version, scale, responses) == expected
    assert not score(code, version, scale, responses).is_prorated


def test_a_score_is_exact():
    assert score("msws_12", "v1", "total", summing_to(34, 12, 1, 5)).value == Fraction(22 * 100, 48)


@pytest.mark.parametrize(
    ("version", "low_total", "passes"),
    # One raw step is 100/48 in version 1 and 100/42 in version 2: four steps pass a threshold of 8, three do not.
    [("v1", 3, False), ("v1", 4, True), ("v2", 3, False), ("v2", 4, True)],
)
def test_an_msws_12_change_passes_its_threshold_from_four_raw_steps(version, low_total, passes):
    before = score("msws_12", version, "total", [1] * 12).value
    after = score("msws_12", version, "total", [1] * 11 + [1 + low_total]).value
    [worsening] = [t for t in instrument("msws_12").scales["total"].thresholds if t.name == "mid_worsening"]
    assert (after - before >= worsening.value) is passes
    assert worsening.standing == "borrowed"


@pytest.mark.parametrize(
    ("code", "version", "scale", "responses", "expected"),
    [
        # Half of the items is enough, and the others get the mean of those answered.
        ("msws_12", "v1", "total", [3] * 6 + [None] * 6, 50),
        ("msws_12", "v1", "total", [3] * 5 + [None] * 7, None),
        # Items 1 to 3 end at 3 in version 2: the three left out get their middle (2), not the raw mean of 3.
        ("msws_12", "v2", "total", [None] * 3 + [3] * 9, 50),
        ("msws_12", "v2", "total", [3] * 3 + [1] * 3 + [None] * 6, 42.86),  # (6 + 0 + 6 * 2) / 42
        ("msis_29", "v1", "physical", [3] * 10 + [None] * 19, 50),
        ("msis_29", "v1", "physical", [3] * 9 + [None] * 20, None),
        ("msis_29", "v1", "psychological", [None] * 20 + [3] * 5 + [None] * 4, 50),
        ("msis_29", "v1", "psychological", [None] * 20 + [3] * 4 + [None] * 5, None),
        ("msrs_r", "v1", "total", [2] * 7 + [None], 16),
        ("msrs_r", "v1", "total", [1] * 6 + [4, None], 11.43),  # 10 / 7 * 8
        ("msrs_r", "v1", "total", [2] * 6 + [None] * 2, None),
        ("mfis_5", "v1", "total", [4] * 4 + [None], None),
        ("fss", "v1", "mean", [5] * 8 + [None], None),
        ("pdds", "v1", "step", [None], None),
        ("narcoms_ps", "v1", "total", [None] + [5] * 7, None),
    ],
)
def test_items_left_out_follow_the_instruments_rule(code, version, scale, responses, expected):
    found = score(code, version, scale, responses)
    assert shown(code, version, scale, responses) == expected
    assert (found.is_scorable, found.is_prorated) == (expected is not None, expected is not None)


def test_mfis_allows_one_item_left_out_in_physical_and_in_cognitive_but_none_in_psychosocial():
    one_each, two_physical, no_social = [2] * 21, [2] * 21, [2] * 21
    one_each[3] = one_each[0] = two_physical[3] = two_physical[5] = no_social[7] = None
    assert (shown("mfis", "v1", "total", one_each), score("mfis", "v1", "total", one_each).is_prorated) == (42, True)
    assert shown("mfis", "v1", "total", two_physical) is None
    assert shown("mfis", "v1", "total", no_social) is None
    assert shown("mfis", "v1", "physical", no_social) == 18
    assert not score("mfis", "v1", "physical", no_social).is_prorated


def test_mfis_subscales_are_made_of_the_published_items():
    items = {name: scale.items for name, scale in instrument("mfis").scales.items()}
    assert items["physical"] == (4, 6, 7, 10, 13, 14, 17, 20, 21)
    assert items["cognitive"] == (1, 2, 3, 5, 11, 12, 15, 16, 18, 19)
    assert items["psychosocial"] == (8, 9)
    assert set(range(1, 22)) - set(items["mfis_ex_4_13"]) == {4, 13}


@pytest.mark.parametrize("found", instruments(), ids=lambda i: i.code)
def test_parts_of_a_total_share_out_the_items(found):
    for scale in found.scales.values():
        if scale.method == "sum_of_scales":
            used = sorted(item for part in scale.scales for item in found.scales[part].items)
            assert used == list(range(1, len(found.versions["v1"].items) + 1))


def test_the_weakness_free_fatigue_score_ignores_items_4_and_13():
    answers = [1] * 21
    answers[3] = answers[12] = 4
    assert shown("mfis", "v1", "mfis_ex_4_13", answers) == 19
    assert not instrument("mfis").scales["mfis_ex_4_13"].thresholds


@pytest.mark.parametrize(
    ("version", "responses"),
    [
        ("v1", [0] + [1] * 11),
        ("v1", [6] + [1] * 11),
        ("v2", [4] + [1] * 11),
        ("v1", [1] * 11),
        ("v1", []),
        ("v1", [None] * 12),
        ("v3", [1] * 12),
        (None, [1] * 12),
    ],
)
def test_what_cannot_be_scored_gets_no_score(version, responses):
    found = score("msws_12", version, "total", responses)
    assert (found.value, found.is_prorated, found.is_scorable) == (None, False, False)


def test_the_only_version_need_not_be_named():
    assert shown("fss", None, "mean", [4] * 9) == shown("fss", " V1", "mean", [4] * 9) == 4


def test_a_score_only_the_source_can_give_is_never_made_up():
    assert not score("eq_5d_5l", "v1", "index", [1] * 5).is_scorable
    assert not score("t25fw", None, "time", []).is_scorable


def test_unknown_names_are_mistakes_of_the_caller():
    with pytest.raises(KeyError, match="no instrument 'colour'"):
        score("colour", "v1", "total", [])
    with pytest.raises(KeyError, match="total"):
        score("msis_29", "v1", "total", [1] * 29)


def test_the_instruments_of_the_project_are_there():
    known = {i.code for i in instruments()}
    assert known >= {
        "msws_12",
        "msis_29",
        "mfis",
        "mfis_5",
        "fss",
        "pdds",
        "msrs_r",
        "eq_5d_5l",
        "eq_vas",
        "t25fw",
        "nine_hpt",
        "narcoms_ps",
    }
    assert any(code.startswith("neuro_qol") for code in known)
    assert any(code.startswith("promis") for code in known)


@pytest.mark.parametrize("found", instruments(), ids=lambda i: i.code)
def test_every_threshold_and_band_names_its_source(found):
    assert found.licence
    assert found.licence_source
    assert found.validated_in
    for scale in found.scales.values():
        for entry in (*scale.thresholds, *scale.bands):
            assert entry.source, f"{found.code}.{scale.name}.{entry.name}"


@pytest.mark.parametrize("found", instruments(), ids=lambda i: i.code)
def test_bands_do_not_overlap(found):
    for scale in found.scales.values():
        for lower, upper in zip(scale.bands, scale.bands[1:], strict=False):
            assert lower.below == upper.at_least


@pytest.mark.parametrize("found", instruments(), ids=lambda i: i.code)
def test_improvement_and_worsening_have_thresholds_of_their_own(found):
    for scale in found.scales.values():
        names = [t.name for t in scale.thresholds]
        assert ("mid_improvement" in names) == ("mid_worsening" in names)
        assert len(names) == len(set(names))


def test_no_item_text_is_shipped_except_names_under_a_free_licence():
    assert {i.code for i in instruments() if i.items_text} == {"msrs_r"}
    assert "Creative Commons" in instrument("msrs_r").licence


@pytest.mark.parametrize(
    ("change", "into", "notice"),
    [
        ("maximum: 8", "maximum: 9", "reaches 8, stated is 9"),
        ("minimum: 0, maximum: 4", "minimum: 4, maximum: 4", "ZeroDivisionError"),
        ("items: [1, 2]", "items: [1, 3]", "names some that version v1 does not have"),
        ("items: [1, 2]", "items: []", "has no items"),
        ("method: sum", "method: add", "method 'add' is none of"),
        ("method: sum", "method: sum_of_scales", "must name other scales"),
        ("method: sum", "method: source_only", "has no items"),
        ("min_count: 2", "min_share: 0.5, min_count: 2", "one of min_share and min_count"),
        ("impute: none", "impute: guess", "a known imputation"),
        ("higher_worse", "upwards", "direction must be one of"),
        ("name: Example", "name: Example\nsource_scale: other", "source_scale one of"),
        ("items_text: none", "items_text: [walking]", "must name each item"),
        ("name: Example", "name: Example\ncolour: red", "colour"),
        ("validated_in: nobody", "", "validated_in"),
        ("licence: {terms: none, source: this test}", "licence: {terms: none}", "source"),
        (
            "impute: none}}",
            "impute: none}, thresholds: [{name: mdc, value: 1, metric: percent, standing: published, source: x}]}",
            "threshold mdc: unknown metric",
        ),
        ("maximum: 4}]", "maximum: 4}, {count: 1, minimum: 0, maximum: 1}]", None),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_name(tmp_path: Path, change, into, notice):
    assert change in EXAMPLE
    (tmp_path / "example.yaml").write_text(EXAMPLE.replace(change, into), encoding="utf-8")
    if notice is None:
        assert read_instrument(tmp_path / "example.yaml", "example").versions["v1"].items[2] == (0, 1)
        return
    with pytest.raises(ValueError, match=r"schemas/instruments/example\.yaml") as refused:
        read_instrument(tmp_path / "example.yaml", "example")
    assert notice in str(refused.value)


def test_a_person_mean_over_items_of_several_ranges_is_refused(tmp_path: Path):
    text = EXAMPLE.replace(
        "[{count: 2, minimum: 0, maximum: 4}]",
        "[{count: 1, minimum: 0, maximum: 4}, {count: 1, minimum: 0, maximum: 2}]",
    )
    text = text.replace("maximum: 8", "maximum: 6").replace(
        "min_count: 2, impute: none", "min_count: 1, impute: person_mean"
    )
    (tmp_path / "example.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="use scaled_mean"):
        read_instrument(tmp_path / "example.yaml", "example")


def test_thresholds_are_the_numbers_that_are_written():
    [mdc] = [t for t in instrument("mfis").scales["total"].thresholds if t.name == "mdc"]
    assert mdc.value == Fraction(202, 10)
