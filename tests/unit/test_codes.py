"""Code lists: what is read, what is refused on reading, and how tokens find their code."""

from pathlib import Path

import pytest

from schemas.codes import code_list, normalise_token, read_code_list
from schemas.contract import contracts

LISTS = ("symptom", "activity", "treatment", "condition")
HEADER = "code,label,definition,synonyms,parent_code\n"


@pytest.mark.parametrize(
    ("written", "token"),
    [
        ("Muscle weakness", "muscle_weakness"),
        ("  Can\u2019t   tell ", "cant_tell"),
        ("can't tell", "cant_tell"),
        ("Ankle-foot orthosis (AFO)", "ankle_foot_orthosis_afo"),
        ("LIORESAL\u00ae", "lioresal"),
        ("M\u00fcdigkeit", "müdigkeit"),
        ("--", ""),
    ],
)
def test_a_token_is_compared_without_case_apostrophes_and_signs(written, token):
    assert normalise_token(written) == token


@pytest.mark.parametrize("name", LISTS)
def test_every_code_list_reads(name):
    assert code_list(name).codes


@pytest.mark.parametrize(
    ("name", "written", "code"),
    [
        ("symptom", "Weak muscles", "muscle_weakness"),
        ("symptom", "Brain Fog", "brain_fog"),
        ("symptom", "Crash", "post_exertional_malaise"),
        ("symptom", "Acid Reflux", "acid_reflux"),
        ("symptom", "MS", "multiple_sclerosis"),
        ("activity", "Opening a jar", "open_jar"),
        ("treatment", "Lioresal", "baclofen"),
        ("treatment", "Ampyra", "dalfampridine"),
        ("treatment", "FAMPYRA", "dalfampridine"),
        ("treatment", "PT", "physical_therapy"),
        ("treatment", "AFO", "ankle_foot_orthosis"),
        ("treatment", "Rollator", "walker"),
        ("treatment", "Ocrevus", "ocrelizumab"),
        ("condition", "Disseminated sclerosis", "ms"),
        ("condition", "nrSPMS", "ms"),
        ("instrument", "MSWS-12", "msws_12"),
        ("instrument", "9HPT", "nine_hpt"),
    ],
)
def test_a_synonym_finds_its_code(name, written, code):
    assert code_list(name).tokens()[normalise_token(written)] == code


@pytest.mark.parametrize("name", [*LISTS, "instrument"])
def test_every_code_and_label_finds_itself(name):
    tokens = code_list(name).tokens()
    assert all(
        tokens[entry.code] == tokens[normalise_token(entry.label)] == entry.code for entry in code_list(name).codes
    )


@pytest.mark.parametrize("name", LISTS)
def test_synonyms_are_lower_case_and_say_more_than_the_code(name):
    for entry in code_list(name).codes:
        for synonym in entry.synonyms:
            assert synonym == synonym.lower(), f"{entry.code}: '{synonym}'"
            assert normalise_token(synonym) not in (entry.code, normalise_token(entry.label)), (
                f"{entry.code}: '{synonym}'"
            )


def test_no_token_of_an_instrument_means_two_instruments():
    written = [
        (normalise_token(text), entry.code)
        for entry in code_list("instrument").codes
        for text in (entry.code, entry.label, *entry.synonyms)
    ]
    meanings: dict[str, set[str]] = {}
    for token, code in written:
        meanings.setdefault(token, set()).add(code)
    assert {token: codes for token, codes in meanings.items() if len(codes) > 1} == {}


def test_every_list_a_contract_names_exists_and_every_list_is_named():
    named = {column.code_list for contract in contracts() for column in contract.columns if column.code_list}
    assert all(code_list(name).codes for name in named)
    assert named == {*LISTS, "instrument"}


def test_treatments_stand_in_the_categories_of_the_contract():
    categories = {a.value for c in contracts() if c.table == "treatment_episode" for a in c.column("category").allowed}
    assert {entry.category for entry in code_list("treatment").codes} == categories
    assert all(entry.class_name for entry in code_list("treatment").codes)


def test_disease_modifying_treatments_are_found_by_their_class():
    found = {e.code for e in code_list("treatment").codes if (e.class_name or "").startswith("dmt_")}
    assert {"ocrelizumab", "natalizumab", "siponimod", "glatiramer_acetate", "interferon_beta_1a"} <= found
    assert not {"baclofen", "prednisone", "dalfampridine"} & found


def test_every_medication_is_found_by_name_only_once():
    assert code_list("treatment").tokens()["fampridine"] == "dalfampridine"
    assert "fampridine" not in {entry.code for entry in code_list("treatment").codes}


# Ingredients of RxNorm.
RXNORM = {
    "diazepam": "3322",
    "modafinil": "30125",
    "methylphenidate": "6901",
    "rituximab": "121191",
    "azathioprine": "1256",
    "methotrexate": "6851",
    "cyclophosphamide": "3002",
    "carbamazepine": "2002",
    "oxcarbazepine": "32624",
    "lamotrigine": "28439",
    "amitriptyline": "704",
    "nortriptyline": "7531",
    "duloxetine": "72625",
    "venlafaxine": "39786",
    "sertraline": "36437",
    "fluoxetine": "4493",
    "citalopram": "2556",
    "escitalopram": "321988",
    "paroxetine": "32937",
    "bupropion": "42347",
    "mirtazapine": "15996",
    "tolterodine": "119565",
    "tamsulosin": "77492",
    "sildenafil": "136411",
    "propranolol": "8787",
    "donepezil": "135447",
    "naltrexone": "7243",
    "metformin": "6809",
    "simvastatin": "36567",
    "aspirin": "1191",
    "tramadol": "10689",
}


def test_standard_codes_are_the_verified_ones():
    found = {
        (entry.code, standard): codes
        for name in LISTS
        for entry in code_list(name).codes
        for standard, codes in entry.standard_codes.items()
    }
    assert found == {
        ("muscle_weakness", "snomed_ct"): ("26544005",),
        ("deconditioning", "snomed_ct"): ("31031000119102",),
        ("spasticity", "snomed_ct"): ("221360009",),
        ("incoordination", "snomed_ct"): ("77743009",),
        ("balance", "snomed_ct"): ("387603000",),
        ("falls", "snomed_ct"): ("161898004",),
        ("walking_difficulty", "snomed_ct"): ("719232003",),
        ("frustration", "snomed_ct"): ("224973000",),
        ("neurogenic_bladder", "snomed_ct"): ("398064005",),
        ("neurogenic_bladder", "icd_10_cm"): ("N31.9",),
        ("multiple_sclerosis", "snomed_ct"): ("24700007",),
        ("physical_therapy", "snomed_ct"): ("91251008",),
        ("fatigue", "snomed_ct"): ("84229001",),
        ("joint_pain", "snomed_ct"): ("57676002",),
        ("muscle_aches", "snomed_ct"): ("68962001",),
        ("stress", "snomed_ct"): ("73595000",),
        ("ocrelizumab", "rxnorm"): ("1876366",),
        **{(code, "rxnorm"): (number,) for code, number in RXNORM.items()},
        ("ms", "snomed_ct"): ("24700007", "426373005", "425500002", "428700003"),
        ("ms", "icd_10_cm"): ("G35", "G35.A", "G35.B0", "G35.B1", "G35.B2", "G35.C0", "G35.C1", "G35.C2", "G35.D"),
    }


def test_verified_snomed_codes_have_a_right_check_digit():
    codes = {c for name in LISTS for e in code_list(name).codes for c in e.standard_codes.get("snomed_ct", ())}
    assert {code for code in codes if not _verhoeff(code)} == set()


def test_a_wrong_check_digit_is_noticed():
    assert not _verhoeff("26544006")
    assert not _verhoeff("25644005")


def _verhoeff(digits: str) -> bool:
    """SNOMED CT identifiers end in a Verhoeff check digit, which catches a mistyped or swapped digit."""

    def product(a: int, b: int) -> int:  # of the symmetries of a pentagon: 0 to 4 turn it, 5 to 9 flip it
        turned = (a + b) % 5 if a < 5 else (a - b) % 5
        return turned if (a < 5) == (b < 5) else turned + 5

    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    check = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = step[value]
        check = product(check, value)
    return check == 0


@pytest.mark.parametrize(
    ("rows", "notice"),
    [
        ("a,A,x,,\na,B,x,,\n", "line 3: code 'a' stands twice"),
        ("a,A,x,same|other,\nb,B,x,Same,\n", "line 3: 'same' of 'b' means 'a' already"),
        ("a,A,x,,\nb,B,x,a,\n", "line 3: 'a' of 'b' means 'a' already"),
        ("Not Snake,A,x,,\n", "line 2: code 'Not Snake' is not snake_case"),
        ("a,A,,,\n", "line 2: code 'a' lacks a label or a definition"),
        ("a,A,x,,nowhere\n", "line 2: parent 'nowhere' is not another code of the list"),
        ("a,A,x,,a\n", "line 2: parent 'a' is not another code of the list"),
        ("a,A,x\n", "line 2: expected 5 fields"),
        ("a,A,x,,,more\n", "line 2: expected 5 fields"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused_with_file_and_line(tmp_path: Path, rows, notice):
    (tmp_path / "plant.csv").write_text(HEADER + rows, encoding="utf-8")
    with pytest.raises(ValueError, match=r"plant\.csv") as refused:
        read_code_list(tmp_path / "plant.csv", "plant")
    assert notice in str(refused.value)


@pytest.mark.parametrize("header", ["code,label,definition\n", "code,label,definition,synonyms,colour\n"])
def test_a_list_with_other_columns_is_refused(tmp_path: Path, header):
    (tmp_path / "plant.csv").write_text(header, encoding="utf-8")
    with pytest.raises(ValueError, match=r"plant\.csv, line 1"):
        read_code_list(tmp_path / "plant.csv", "plant")


def test_an_unknown_list_is_named():
    with pytest.raises(ValueError, match="no code list 'colour'"):
        code_list("colour")
