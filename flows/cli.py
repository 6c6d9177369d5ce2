"""The command `outcomes`. Each command calls one function and says what came of it; nothing else is decided here."""

from __future__ import annotations

import json
import math
import os
import sys
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from flows.cli_release import release_app, tell_repetition
from flows.errors import PipelineError, UsageError
from flows.pull_command import pull

if TYPE_CHECKING:
    from flows.settings import Workspace
    from flows.stages.admit import FileOutcome

app = typer.Typer(
    help="Outcome reports one can trust, from exports of patient-reported symptoms and treatments.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
quarantine_app = typer.Typer(
    help="The refused records: what they broke, and their original text.", no_args_is_help=True
)
batch_app = typer.Typer(help="Batches, and files that are held until someone decides.", no_args_is_help=True)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(batch_app, name="batch")
app.add_typer(release_app, name="release")
app.command()(pull)

FileId = Annotated[int, typer.Argument(help="The file's id, as `outcomes status` and `outcomes batch list` show it")]


class _Options:
    """The global options of this call."""

    workspace = Path()
    json = False


@app.callback()
def options(
    workspace: Annotated[Path, typer.Option(envvar="OUTCOMES_WORKSPACE", help="The workspace's folder")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text")] = False,
) -> None:
    _Options.workspace, _Options.json = workspace, as_json


def main() -> None:
    """Run the command; a PipelineError becomes one message and its exit code."""
    # Whatever is written, by whichever library or child, is for the owner's eyes.
    os.umask(0o077)
    try:
        app()
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not try to flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except PipelineError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}", PipelineError.exit_code)


def _fail(message: str, exit_code: int) -> NoReturn:
    if _Options.json:
        print(json.dumps({"error": message, "exit_code": exit_code}))
    else:
        _say(f"outcomes: {message}")
    sys.exit(exit_code)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A new or empty folder")]) -> None:
    """Make a workspace."""
    from flows.settings import create_workspace

    made = create_workspace(folder)
    _tell(
        {"workspace": made.root},
        f"A workspace in {made.root}. Keep a copy of its file `key` in a safe place: without it no patient can be found again.",
    )


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder for the workspace")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=1, help="Size of the synthetic cohort")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same cohort")] = 20250101,
    api: Annotated[
        bool,
        typer.Option("--api", help="Pull the cohort from an export API on this machine instead of landing its files"),
    ] = False,
) -> None:
    """The whole way with synthetic patients: ingest and report as tracked flow runs."""
    from deployments.demo import demonstrate

    made = demonstrate(folder, patients, seed, lambda step: _say(f"  {step} …"), over_api=api)
    if _Options.json:
        _print_json(made)
        return
    _show_files(made.ingest.files)
    _table("Flow runs", ["run", "state", "seconds"], [[r.name, r.state, f"{r.seconds:.1f}"] for r in made.runs])
    root, bin_folder = folder.resolve(), Path(sys.executable).parent
    _print(f"\nreport     {made.report.page}")
    print(
        f'DuckDB     {root / "published" / "outcomes.duckdb"}   ({bin_folder / "outcomes"} --workspace {folder} query "FROM core.patient LIMIT 5")'
    )
    _print(
        f"flow runs  PREFECT_HOME={root / 'prefect'} {bin_folder / 'python'} -m deployments.server   (then http://127.0.0.1:4200)"
    )


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="The kind of export")],
    files: Annotated[list[Path], typer.Argument(help="The files to look at")],
) -> None:
    """Say what the contract makes of files, and load nothing: for the people who write exports."""
    from flows.checking import check_files

    verdicts = check_files(files, source, _sources_folder(), _now())
    if _Options.json:
        _print_json(verdicts)
    for verdict in verdicts if not _Options.json else []:
        _print(f"{verdict.file_name}: {verdict.sentence}")
        rows = [[f.rule, f.column or "", f.action, f"{f.record_count:,}", f.lines, f.message] for f in verdict.faults]
        if rows:
            _table(None, ["rule", "column", "action", "records", "lines", "message"], rows)
    raise typer.Exit(max((v.exit_code for v in verdicts), default=0))


@app.command()
def ingest(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files to take; without any, all that waits in landing")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The kind of export; canonical for named files if not given")
    ] = None,
    again: Annotated[int | None, typer.Option(metavar="FILE_ID", help="Take this file anew from the archive")] = None,
) -> None:
    """Take files into the warehouse: land, prepare, gate, admit, publish."""
    if again is not None and files:
        raise UsageError("--again takes a file from the archive: name no other files with it.")
    workspace = _workspace()
    if _is_tracked():
        from flows import deployed

        summary = deployed.take(workspace.root, [f.resolve() for f in files or ()], source, again, reason="by hand")
        deployed.send_rest()
    else:
        from flows import pipeline

        with _progress("prepared") as advance:
            summary = pipeline.ingest(workspace, files or (), source, now=_now(), again=again, done=lambda _: advance())
    if _Options.json:
        _print_json({**asdict(summary), "exit_code": summary.exit_code})
    elif not summary.files:
        _print("Nothing was pending.")
    else:
        _show_files(summary.files)
    raise typer.Exit(summary.exit_code)


@app.command()
def report(
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The day that windows, ages and consent are taken at; today if not given"
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE|batch:BATCH",
            help="Compute an old report anew, compare it with what was stored of it, and publish nothing",
        ),
    ] = None,
) -> None:
    """Build the marts, draft a release of what may leave, write the pages and publish; or repeat an old one."""
    if as_of is not None:
        from flows.releasing import repeat

        if on is not None:
            raise UsageError("--as-of repeats a report as of its own day: leave --on out.")
        raise typer.Exit(tell_repetition(repeat(_workspace(), as_of)))
    as_of_at = datetime.combine(on, time.max, UTC) if on else None
    workspace = _workspace()
    if _is_tracked():
        from flows import deployed

        summary = deployed.report_now(workspace.root, reason="by hand", as_of_at=as_of_at)
        deployed.send_rest()
    else:
        from flows import pipeline

        summary = pipeline.report(workspace, now=_now(), as_of_at=as_of_at)
    hidden = f"{summary.suppressed_count:,} of {summary.cell_count:,} figures are suppressed"
    is_draft = summary.status == "draft"
    name, number = "Draft" if is_draft else "Report", summary.release_id
    decide = f"\nIt waits for a decision: outcomes release diff | release approve {number} | release hold {number} --reason …"
    _tell(
        summary,
        f"{name} {number}, as of batch {summary.as_of_batch}: {summary.page}\n{hidden}.{decide if is_draft else ''}",
    )


@app.command()
def forget(
    patient: Annotated[str, typer.Argument(help="The patient's id at the source; - reads it from standard input")],
    source: Annotated[str, typer.Option(help="The kind of export that knows them by it")] = "canonical",
) -> None:
    """Erase a person from every file of the workspace, for good, and prove it by a search."""
    from flows import pipeline
    from flows.errors import NotFoundError

    named = sys.stdin.readline() if patient == "-" else patient
    if not named.strip():
        raise UsageError("name the patient by the id that the source knows them by.")
    done = pipeline.forget(_workspace(), named.strip(), source, now=_now())
    if not done.is_proved:
        raise PipelineError(
            f"erasure {done.erasure_id} is not complete: something of the person still stands in {', '.join(done.found_in)}. "
            "Remove these files or what names the person in them, then run the command again."
        )
    if not (done.row_count or done.record_count or done.file_count):
        raise NotFoundError(
            f"nothing of such a person was found under source '{source}'. A tombstone is kept all the same: no file will bring them in."
        )
    _tell(
        done,
        f"Erasure {done.erasure_id}: {done.record_count:,} records taken out of {done.file_count} files, {done.row_count:,} rows out of the "
        "warehouse, and nothing found of them in the whole workspace.\nCopies outside it (backups, exports, files that analysts saved) "
        "are yours to delete.",
    )


@app.command("visit-sheet")
def visit_sheet(
    patient: Annotated[str, typer.Argument(help="The patient's id at the source; - reads it from standard input")],
    source: Annotated[str, typer.Option(help="The kind of export that knows them by it")] = "canonical",
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day of the twelve months; today if not given"),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="A new file outside the workspace; standard output if not given")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name to print on the page; it is kept nowhere")] = None,
) -> None:
    """One page of a member's own last twelve months for their clinician, as HTML that prints to one sheet."""
    from flows.visit.command import make_visit_sheet
    from flows.visit.writing import refuse_place, write_sheet

    named = sys.stdin.readline() if patient == "-" else patient
    if not named.strip():
        raise UsageError("name the patient by the id that the source knows them by.")
    workspace = _workspace()
    if to is not None:
        refuse_place(workspace, to)
    made = make_visit_sheet(workspace, named.strip(), source, on=on.date() if on else None, name=name, now=_now())
    text = _json_text(made.sheet.to_data()) if _Options.json else made.html()
    if to is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8"))
        sys.stdout.buffer.flush()
        return
    write_sheet(workspace, to, text)
    _tell({"file": to.resolve(), "is_empty": made.sheet.is_empty}, made.sentence(to))


@app.command()
def rebuild(folder: Annotated[Path, typer.Argument(help="A new or empty folder")]) -> None:
    """Make the workspace anew from its archive, in another folder and under a new key: the old one was lost or has leaked."""
    from flows.errors import HeldError
    from flows.rebuilding import rebuild as rebuild_workspace

    made = rebuild_workspace(_workspace(), folder, now=_now())
    if _Options.json:
        _print_json(made)
    else:
        _show_files(made.files)
        rows = [[table, f"{count:,}", f"{made.after[table]:,}"] for table, count in made.before.items()]
        _table("Current records", ["table", "before", "now"], rows)
        _print(
            f"A workspace in {made.root}. Keep a copy of its key, and delete the old workspace when you trust the new one."
        )
    if made.differing:
        _say(
            f"outcomes: not all records are back: {', '.join(made.differing)}. See: outcomes --workspace {folder} status"
        )
        raise typer.Exit(HeldError.exit_code)


@app.command()
def up() -> None:
    """Run server, worker, watcher and schedules on this machine until Ctrl-C: what lands is taken and reported on."""
    from deployments.up import Up

    workspace = _workspace()

    def say(part: str, sentence: str) -> None:
        _print(f"{_now():%H:%M:%S}  {part:<13}{sentence}")
        sys.stdout.flush()

    Up(workspace, say).run()


@app.command()
def maintain() -> None:
    """Check the archive against the ledger and give back the free blocks of the warehouse; weekly is enough."""
    from flows import pipeline

    found = pipeline.maintain(_workspace(), now=_now())
    _tell(
        {**asdict(found), "exit_code": found.exit_code},
        f"{found.checked_count:,} archived files are looked at, {len(found.faults):,} faults. "
        f"The warehouse has {found.bytes_after >> 20:,} MB, before {found.bytes_before >> 20:,} MB.",
    )
    for fault in found.faults:
        _say(fault)
    raise typer.Exit(found.exit_code)


@app.command()
def status() -> None:
    """What arrived, what is held or waits, what was refused, and the last report."""
    from flows.status import read_status

    found = read_status(_workspace(), _now())
    if _Options.json:
        _print_json(found)
        return
    for line in found.lines():
        _print(line)
    if found.files:
        _table(
            "Last files",
            [
                "id",
                "file",
                "source",
                "status",
                "read",
                "admitted",
                "unchanged",
                "duplicate",
                "quarantined",
                "out of scope",
            ],
            found.file_rows(),
        )
    if found.open_tokens:
        _table(
            "Words no code list knows",
            ["column", "word", "records"],
            [[t.column, t.word, f"{t.record_count:,}"] for t in found.open_tokens],
        )


@app.command()
def query(sql: Annotated[str, typer.Argument(help="One SELECT, in DuckDB's SQL")]) -> None:
    """Ask the published file. It is opened to read only, without access to any other file."""
    from flows.status import run_query

    columns, rows = run_query(_workspace(), sql)
    _show([dict(zip(columns, row, strict=True)) for row in rows])


@app.command()
def dictionary(
    name: Annotated[str | None, typer.Argument(help="Only this table, or a code list such as symptom")] = None,
    export: Annotated[
        bool, typer.Option("--export", help="The columns of a canonical export instead of those of `core`")
    ] = False,
) -> None:
    """Describe every column: type, unit, allowed values, meaning; or list the codes of a code list."""
    from flows.errors import NotFoundError
    from schemas.codes import code_list
    from schemas.contract import TABLES, code_lists, contract

    if name in code_lists():
        codes = [
            {"code": c.code, "label": c.label, "definition": c.definition, "synonyms": ", ".join(c.synonyms)}
            for c in code_list(name).codes
        ]
        _show(codes, f"Code list '{name}'. Labels and synonyms are read too, in any case and spacing.")
        return
    if name is not None and name not in TABLES:
        raise NotFoundError(f"no table or code list '{name}'. There are: {', '.join((*TABLES, *code_lists()))}")
    agreed = [contract(table) for table in ([name] if name else TABLES)]
    if _Options.json:
        _print_json([entry for c in agreed for entry in (c.export_dictionary() if export else c.dictionary())])
        return
    for c in agreed:
        entries = c.export_dictionary() if export else c.dictionary()
        title = f"{c.table}.csv" if export else f"core.{c.table}"
        _show(
            [{k: v for k, v in entry.items() if k != "table"} for entry in entries],
            f"{title}: {c.description} Grain: {c.grain}.",
        )


@quarantine_app.command("list")
def quarantine_list() -> None:
    """Refused and blanked records, by file and rule."""
    from flows.status import quarantined

    found = quarantined(_workspace())
    if _Options.json:
        _print_json(found)
    elif not found:
        _print("Nothing is in quarantine.")
    else:
        rows = [[str(q.file_id), q.file_name, q.table_name, q.rule, q.action, f"{q.record_count:,}"] for q in found]
        _table(None, ["file id", "file", "table", "rule", "action", "records"], rows)


@quarantine_app.command("show")
def quarantine_show(
    file_id: FileId,
    rule: Annotated[str | None, typer.Option(help="Only records that broke this rule")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many")] = 20,
) -> None:
    """The records of a file with their original text. It is a patient's: mind who sees the screen."""
    from flows.status import quarantined_records

    found = quarantined_records(_workspace(), file_id, rule)
    if _Options.json:
        _print_json(found[:limit])
        return
    for record in found[:limit]:
        print(
            f"record {record.record_number}, line {record.line or '?'}: {record.rule} ({record.action}): {record.message}"
        )
        _print(f"    {_plain(record.original or '')}")
    if len(found) > limit:
        _print(f"… and {len(found) - limit:,} more (--limit)")


@quarantine_app.command("export")
def quarantine_export(
    file_id: FileId,
    to: Annotated[Path, typer.Argument(help="A new CSV file")],
) -> None:
    """Write a file's refused and blanked records as CSV, to be mended where they came from.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    from flows.status import export_quarantine

    count = export_quarantine(_workspace(), file_id, to)
    _tell({"file_id": file_id, "records": count, "path": to}, f"{count:,} faults written to {to}.")


@batch_app.command("list")
def batch_list() -> None:
    """Batches that were admitted, and the files that are held or could not be read."""
    from flows.status import batches, undecided

    workspace = _workspace()
    done, held = batches(workspace), undecided(workspace)
    if _Options.json:
        _print_json({"batches": done, "files": held})
        return
    _table(
        "Batches",
        ["batch", "source", "committed", "files", "admitted"],
        [
            [str(b.batch_id), b.source_system, str(b.committed_at), str(b.file_count), f"{b.admitted_count:,}"]
            for b in done
        ],
    )
    if held:
        _table(
            "Held or unreadable files",
            ["id", "file", "source", "status", "why"],
            [[str(f.file_id), f.file_name, f.source_system, f.status, "; ".join(f.reasons)] for f in held],
        )


@batch_app.command("admit")
def batch_admit(file_id: FileId, reason: Annotated[str, typer.Option(help="Why; it goes into the ledger")]) -> None:
    """Admit a held file's good records."""
    _decide(file_id, reason, is_admitted=True)


@batch_app.command("refuse")
def batch_refuse(file_id: FileId, reason: Annotated[str, typer.Option(help="Why; it goes into the ledger")]) -> None:
    """Refuse a held file for good."""
    _decide(file_id, reason, is_admitted=False)


def _decide(file_id: int, reason: str, *, is_admitted: bool) -> None:
    from flows import pipeline

    if not reason.strip():
        raise UsageError("say why with --reason: it goes into the ledger.")
    outcome = pipeline.decide(_workspace(), file_id, is_admitted=is_admitted, reason=reason, now=_now())
    if _Options.json:
        _print_json(outcome)
    else:
        _show_files([outcome])


def _is_tracked() -> bool:
    """Whether a Prefect server is configured, which then shows the run."""
    return bool(os.environ.get("PREFECT_API_URL"))


def _now() -> datetime:
    return datetime.now(UTC)


def _workspace() -> Workspace:
    from flows.settings import open_workspace

    return open_workspace(_Options.workspace)


def _sources_folder() -> Path | None:
    folder = _Options.workspace / "sources"
    return folder if folder.is_dir() else None


def _show_files(files: list[FileOutcome]) -> None:
    """One line a file: what became of it and of its records."""
    rows = []
    for outcome in files:
        counts = [f"{outcome.counts[name]:,}" if name in outcome.counts else "" for name in _COUNTS]
        state = outcome.status if outcome.is_new else f"{outcome.status} before, nothing changed"
        rows.append([str(outcome.file_id), outcome.file_name, state, *counts])
    _table(None, ["id", "file", "status", *(n.removesuffix("_count").replace("_", " ") for n in _COUNTS)], rows)
    for outcome in files:
        for reason in outcome.reasons:
            _say(f"{outcome.file_name}: {reason}" if not reason.startswith(outcome.file_name) else reason)
        if outcome.status == "held":
            _say(
                f"{outcome.file_name}: held, nothing of it is in the warehouse. See `outcomes quarantine show {outcome.file_id}`, then deliver it "
                f"mended, or decide: outcomes batch admit {outcome.file_id} --reason … | outcomes batch refuse {outcome.file_id} --reason …"
            )
        if outcome.status == "unreadable" and outcome.file_id:
            _say(
                f"{outcome.file_name}: once its source is mended, take it anew: outcomes ingest --again {outcome.file_id}"
            )


_COUNTS = (
    "read_count",
    "admitted_count",
    "unchanged_count",
    "duplicate_count",
    "quarantined_count",
    "out_of_scope_count",
)


def _show(rows: list[dict[str, Any]], title: str | None = None) -> None:
    """Rows as JSON or as a table."""
    if _Options.json:
        _print_json(rows)
    elif rows:
        _table(title, list(rows[0]), [["" if v is None else str(v) for v in row.values()] for row in rows])
    else:
        _print("No rows.")


# A table that needs more than this share over the terminal's width is printed record by record.
_STILL_READABLE = 2


def _table(title: str | None, columns: list[str], rows: list[list[str]]) -> None:
    """A table for people, as wide as it needs; record by record where the terminal is far too narrow for it."""
    from rich import box
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        is_number = bool(rows) and all(_is_number(row[place]) for row in rows)
        table.add_column(Text(_plain(name)), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_plain(cell)) for cell in row))
    wide = Console(width=10_000)
    needed = Measurement.get(wide, wide.options, table).maximum
    console = Console(width=None if sys.stdout.isatty() else max(needed, 80))
    if needed > console.width * _STILL_READABLE:
        for row in rows:
            _print("\n".join(f"{name:24} {cell}" for name, cell in zip(columns, row, strict=True)) + "\n")
    else:
        console.print(table)


def _is_number(text: str) -> bool:
    return not text or text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


def _plain(text: str) -> str:
    """The text without signs that could steer a terminal: those of control are shown as escapes."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _print(text: str, file: TextIO | None = None) -> None:
    """Print lines of ours, in which names of files and texts of records may stand."""
    print("\n".join(map(_plain, text.split("\n"))), file=file)


def _tell(found: Any, sentence: str) -> None:
    if _Options.json:
        _print_json(found)
    else:
        _print(sentence)


def _say(sentence: str) -> None:
    _print(sentence, file=sys.stderr)


def _print_json(found: Any) -> None:
    print(_json_text(found), end="")


def _json_text(found: Any) -> str:
    text = json.dumps(_finite(found), default=_jsonable, ensure_ascii=False, indent=2, allow_nan=False)
    # JSON leaves signs alone that steer a terminal or turn the direction of writing.
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text) + "\n"


def _finite(found: Any) -> Any:
    """JSON has no word for what is not a number, so it becomes null."""
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    if isinstance(found, dict):
        return {name: _finite(value) for name, value in found.items()}
    return [_finite(value) for value in found] if isinstance(found, (list, tuple)) else found


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    return str(value)


class _progress:  # noqa: N801  a context manager that reads as a word
    """A progress bar on standard error if a person looks at it; calling what it gives advances it."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> Any:
        if _Options.json or not sys.stderr.isatty():
            self.bar = None
            return lambda: None
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed} files {task.description}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.bar.start()
        task = self.bar.add_task(self.what, total=None)
        return lambda: self.bar.advance(task)  # type: ignore[union-attr]

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
