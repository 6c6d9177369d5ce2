"""A FHIR server is pulled by Bulk Data: kick-off, polling, manifest, files; what it may do wrong ends well or in one clear error."""

import json
from collections import Counter

import canonical
import pytest
from api_server import TOKEN, VARIABLE, Reply, landed
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from fhir_server import FhirApi, observations

from flows import pipeline
from flows.exports import state
from schemas.sources import SourceError

RECORDS = observations(25)


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv(VARIABLE, TOKEN)


def pull(workspace, **options):
    (found,) = pipeline.pull(workspace, "clinic", now=canonical.NOW, **options).lists
    return found


def lines(workspace):
    """What has landed, line by line."""
    return Counter(line for path in landed(workspace, "clinic") for line in path.read_text().splitlines())


def as_lines(records):
    return Counter(json.dumps(record) for record in records)


def asked(api, path):
    return [one for one in api.asked if one.path.startswith(path)]


def kept(workspace):
    return json.loads(state.path_of(workspace, "clinic", "export").read_text())


def test_an_export_lands_file_by_file_and_becomes_records(workspace, now):
    with FhirApi(RECORDS) as api:
        api.bulk(workspace)
        found = pull(workspace)
        assert (found.exit_code, found.record_count, found.notes, found.message) == (0, 25, [], "")
        assert lines(workspace) == as_lines(RECORDS)
        (kick_off,) = asked(api, "/v1/$export")
        assert kick_off.query == {"_outputFormat": "application/fhir+ndjson", "_type": "Observation"}
        assert len(asked(api, "/v1/job/1")) == 3
    assert len(landed(workspace, "clinic")) == 3
    assert all(path.name.startswith("export-2025-12-31T115800Z-") for path in landed(workspace, "clinic"))
    assert {found.status for found in pipeline.ingest(workspace, now=now).files} == {"admitted"}
    found = canonical.query(workspace, "SELECT count(*), min(exported_at)::VARCHAR FROM history.symptom_report")
    assert found == [(25, "2025-12-31 11:58:00+00")]


def test_the_next_export_is_of_changes_since_the_instant_that_the_server_stated(workspace):
    with FhirApi(RECORDS) as api:
        # Its snapshot is older than its clock says.
        api.transaction_at = "2025-12-31T10:00:00.5Z"
        api.bulk(workspace)
        assert pull(workspace).exit_code == 0
        found = pull(workspace)
        assert (found.exit_code, found.record_count) == (0, 0)
        assert asked(api, "/v1/$export")[-1].query["_since"] == "2025-12-31T10:00:00Z"
        assert pull(workspace, since=canonical.NOW.replace(year=2024)).record_count == 25


def test_what_was_deleted_on_the_server_ends_its_records(workspace, now):
    with FhirApi(RECORDS) as api:
        api.bulk(workspace)
        pull(workspace)
        pipeline.ingest(workspace, now=now)
        api.deleted, api.transaction_at = ["Observation/o3", "Encounter/e1"], "2025-12-31T11:59:00Z"
        assert pull(workspace).exit_code == 0
    pipeline.ingest(workspace, now=now)
    current = "SELECT count(*) FROM history.symptom_report WHERE superseded_in IS NULL AND NOT is_deleted"
    assert canonical.query(workspace, current) == [(24,)]


def test_error_files_are_told_as_counts_and_do_not_land(workspace):
    with FhirApi(RECORDS) as api:
        api.issues = ["error", "warning", "error"]
        api.bulk(workspace)
        found = pull(workspace)
    assert found.notes == ["the server could not export everything: it reports 2 error, 1 warning"]
    assert lines(workspace) == as_lines(RECORDS)


def test_the_server_is_asked_no_sooner_than_it_says(workspace, monkeypatch):
    waits = []
    monkeypatch.setattr("flows.exports.client.Client.pause", lambda _, seconds: waits.append(seconds))
    with FhirApi([]) as api:
        api.working = [Reply(202, headers={"Retry-After": "120"}), Reply(202), Reply(202)]
        api.bulk(workspace)
        assert pull(workspace).exit_code == 0
    assert waits == [120, 2, 4]


def test_who_is_asked_for_more_patience_than_there_is_goes_on_later_with_the_same_job(workspace):
    with FhirApi(RECORDS) as api:
        api.working = [Reply(202, headers={"Retry-After": "3600"})]
        api.bulk(workspace)
        found = pull(workspace)
        assert "still at work on the export" in found.message
        assert found.exit_code == 20
        assert kept(workspace)["progress"]["place"] == {"status": f"{api.url}/v1/job/1"}
        assert pull(workspace).exit_code == 0
        assert len(asked(api, "/v1/$export")) == 1
    assert lines(workspace) == as_lines(RECORDS)


def test_a_pull_that_died_between_two_files_goes_on_behind_the_last(workspace):
    def dies(_api, one, reply):
        if one.path == "/files/1/10":
            reply.status = 403

    with FhirApi(RECORDS, dies) as api:
        api.bulk(workspace)
        assert "refuses the credentials (403)" in pull(workspace).message
        assert lines(workspace) == as_lines(RECORDS[:10])
        api.fault = None
        assert pull(workspace).exit_code == 0
        assert (len(asked(api, "/v1/$export")), len(asked(api, "/files/1/0"))) == (1, 1)
    assert lines(workspace) == as_lines(RECORDS)


def test_a_job_that_the_server_forgot_is_begun_anew(workspace):
    with FhirApi(RECORDS) as api:
        api.working = [Reply(202, headers={"Retry-After": "3600"})]
        api.bulk(workspace)
        pull(workspace)
        api.fault = lambda _api, one, reply: setattr(reply, "status", 404) if one.path == "/v1/job/1" else None
        api.working = []
        found = pull(workspace)
        assert (found.exit_code, found.notes) == (
            0,
            ["the server no longer knew where the last pull had stopped: begun anew"],
        )
        assert len(asked(api, "/v1/$export")) == 2
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize(
    ("status", "message"), [(500, "has given the export up (500)"), (400, "does not take the request (400)")]
)
def test_a_dead_job_is_one_clear_error_and_the_next_pull_asks_for_a_new_one(workspace, status, message):
    with FhirApi(RECORDS) as api:
        api.fault = lambda _api, one, reply: setattr(reply, "status", status) if one.path == "/v1/job/1" else None
        api.bulk(workspace)
        found = pull(workspace)
        assert message in found.message
        assert landed(workspace, "clinic") == []
        assert pull(workspace).exit_code == 0
        assert len(asked(api, "/v1/$export")) == 2
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize("path", ["/v1/$export", "/v1/job/1"])
def test_a_busy_server_is_asked_again(workspace, path, status=429):
    busy = []

    def fault(_api, one, reply):
        if one.path == path and len(busy) < 2:
            busy.append(one)
            reply.status, reply.body, reply.headers = status, b"", {"Retry-After": "0"}

    with FhirApi(RECORDS, fault) as api:
        api.bulk(workspace)
        assert pull(workspace).exit_code == 0
    assert len(busy) == 2
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize("has_counts", [True, False])
def test_a_file_of_unknown_length_that_lacks_lines_is_not_taken(workspace, has_counts):
    def fault(_api, one, reply):
        if one.path == "/files/1/10":
            reply.is_framed, reply.body = False, b"".join(reply.body.splitlines(keepends=True)[:4])

    with FhirApi(RECORDS, fault) as api:
        api.has_counts = has_counts
        api.bulk(workspace)
        found = pull(workspace)
    wanted = "sends 4 lines where its manifest says 10" if has_counts else "could not be told from the whole"
    assert wanted in found.message
    assert lines(workspace) == as_lines(RECORDS[:10])


def test_a_page_for_people_is_not_taken(workspace):
    def fault(_api, one, reply):
        if one.path == "/v1/job/1" and reply.status == 200:
            reply.body = b"<!DOCTYPE html><html>Sign in</html>"

    with FhirApi(RECORDS, fault) as api:
        api.bulk(workspace)
        found = pull(workspace)
        assert "page for people" in found.message
        api.fault = None
        assert pull(workspace).exit_code == 0
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"transactionTime": "soon", "output": []}',
        b'{"transactionTime": "2025-12-31T12:00:00Z", "output": [{}]}',
    ],
)
def test_what_is_no_manifest_is_not_taken(workspace, body):
    def fault(_api, one, reply):
        if one.path == "/v1/job/1" and reply.status == 200:
            reply.body = body

    with FhirApi(RECORDS, fault) as api:
        api.bulk(workspace)
        assert "no manifest of an export" in pull(workspace).message
    assert landed(workspace, "clinic") == []


def test_files_on_another_server_are_fetched_without_the_token_or_not_at_all(workspace):
    with FhirApi(RECORDS) as api, FhirApi([]) as other:
        other.token, other.jobs, api.elsewhere = "", api.jobs, other.url
        api.bulk(workspace, headers={"X-Clinic": "SECRET"})
        found = pull(workspace)
        assert "points to another server" in found.message
        assert other.asked == []
        api.needs_token = False
        assert pull(workspace, since=canonical.NOW.replace(year=2024)).exit_code == 0
        assert len(other.asked) == 3
        for one in other.asked:
            assert "Authorization" not in one.headers
            assert "SECRET" not in str(one.headers)
    assert lines(workspace) == as_lines(RECORDS)


def test_a_status_address_on_another_server_is_neither_asked_nor_kept(workspace):
    def fault(_api, one, reply):
        if one.path == "/v1/$export":
            reply.headers["Content-Location"] = "http://127.0.0.2:9/v1/job/1"

    with FhirApi(RECORDS, fault) as api:
        api.bulk(workspace)
        assert "points to another server" in pull(workspace).message
        api.fault = None
        assert pull(workspace).exit_code == 0
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"export": "/metadata"}, "api.export: is not written as"),
        ({"address": "http://fhir.example.org"}, "plain http would show"),
        ({"key": "x"}, "api.key: is no name that is known here"),
        ({"file": "bundle-all"}, None),
    ],
)
def test_a_mistake_in_the_description_is_named(workspace, said, message):
    with FhirApi([]) as api:
        if message is None:
            assert api.bulk(workspace, **said).api.lists == {"bundle-all": "/$export"}
            return
        with pytest.raises(SourceError, match=message):
            api.bulk(workspace, **said)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


KEYS = {"RS384": rsa.generate_private_key(65537, 2048), "ES384": ec.generate_private_key(ec.SECP384R1())}


def decoded(part):
    import base64

    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(assertion, algorithm):
    """The claims, once the signature has been found good as RFC 7518 says."""
    text, _, signature = assertion.rpartition(".")
    signed, public = decoded(signature), KEYS[algorithm].public_key()
    if algorithm == "RS384":
        public.verify(signed, text.encode(), padding.PKCS1v15(), hashes.SHA384())
    else:
        assert len(signed) == 96
        numbers = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signed[:48], signed[48:])))
        public.verify(numbers, text.encode(), ec.ECDSA(hashes.SHA384()))
    header, claims = (json.loads(decoded(part)) for part in text.split("."))
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "k1"}
    return claims


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signature_proves_who_asks_and_a_token_that_expires_is_asked_for_anew(
    workspace, monkeypatch, tmp_path, algorithm
):
    key_file = tmp_path / "key.pem"
    key_file.write_bytes(pem(KEYS[algorithm]))
    monkeypatch.setenv("CLINIC_KEY", str(key_file))

    def expires(api, one, reply):
        if one.path == "/files/1/10" and api.token_count == 1:
            api.token, reply.status = "another", 401

    with FhirApi(RECORDS, expires) as api:
        said = {
            "kind": "smart_backend",
            "token_address": f"{api.url}/token",
            "client_id": "us",
            "key_file": "CLINIC_KEY",
        }
        api.bulk(workspace, authentication={**said, "key_id": "k1", "algorithm": algorithm})
        found = pull(workspace)
        assert (found.exit_code, found.message) == (0, "")
        assert len(api.forms) == 2
        claims = [claims_of(form.pop("client_assertion"), algorithm) for form in api.forms]
        assert api.forms[0] == {
            "grant_type": "client_credentials",
            "scope": "system/*.read",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }
        assert {(c["iss"], c["sub"], c["aud"]) for c in claims} == {("us", "us", f"{api.url}/token")}
        assert len({c["jti"] for c in claims}) == 2
    assert lines(workspace) == as_lines(RECORDS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "CLINIC_KEY, which the source's YAML names for its key, names a file that cannot be read"),
        (b"SECRET", "holds no private key in PEM"),
        (pem(KEYS["ES384"]), "cannot sign as RS384"),
        (pem(rsa.generate_private_key(65537, 1024)), "an RSA key of 2048 bits or more"),
    ],
)
def test_a_key_that_cannot_sign_is_named_by_its_variable(workspace, monkeypatch, tmp_path, content, message):
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    monkeypatch.setenv("CLINIC_KEY", str(tmp_path / "key.pem"))
    with FhirApi(RECORDS) as api:
        said = {
            "kind": "smart_backend",
            "token_address": f"{api.url}/token",
            "client_id": "us",
            "key_file": "CLINIC_KEY",
        }
        api.bulk(workspace, authentication=said)
        found = pull(workspace)
    assert message in found.message
    assert "SECRET" not in found.message
