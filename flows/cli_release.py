"""`outcomes release`: what was drafted, how it differs, and whether it is published. Each command calls one function."""
# ruff: noqa: SLF001  the command line is one thing in two files: how it speaks stands in flows/cli.py

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.errors import UsageError

if TYPE_CHECKING:
    from flows.releasing import Decision, Difference
    from flows.stages.repeat import Repetition

release_app = typer.Typer(
    help="Reports from draft to approved: list, compare, approve, hold.",
    no_args_is_help=True,
    # Else a command that is not there would be told in a box of Typer's own.
    pretty_exceptions_enable=False,
)

ReleaseId = Annotated[int, typer.Argument(help="The release's number, as `outcomes release list` shows it")]


@release_app.command("list")
def release_list() -> None:
    """Every report that was drafted, the last one first, with what was decided of it and why."""
    from flows import cli
    from flows.releasing import releases

    found = releases(cli._workspace())
    if cli._Options.json:
        cli._print_json(found)
        return
    rows = [
        [
            str(r.release_id),
            r.status,
            str(r.as_of_batch),
            f"{r.as_of_at:%Y-%m-%d %H:%M}",
            f"{r.released_at:%Y-%m-%d %H:%M}",
            f"{r.cell_count:,}",
            f"{r.suppressed_count:,}",
            "" if r.compared_with is None else str(r.compared_with),
            r.reason or "",
        ]
        for r in found
    ]
    names = ["id", "status", "batch", "as of (UTC)", "drafted", "figures", "suppressed", "compared with", "reason"]
    cli._table(None, names, rows) if rows else cli._print("No report was drafted yet. Run: outcomes report")


@release_app.command("diff")
def release_diff(
    a: Annotated[
        int | None, typer.Argument(metavar="[A]", help="A release; the one B was compared with if not given")
    ] = None,
    b: Annotated[
        int | None, typer.Argument(metavar="[B]", help="A later one; the last one drafted if not given")
    ] = None,
) -> None:
    """How a release differs from another: figures by table, and the records behind them by cause.

    Counts of records may be those of a few patients: this is for operators, and stays inside.
    """
    from flows import cli
    from flows.releasing import diff

    found = diff(cli._workspace(), a, b)
    if cli._Options.json:
        cli._print_json(found)
        return
    _show_difference(found)


def _show_difference(found: Difference) -> None:
    from flows import cli

    kinds = ("unchanged", "changed", "new", "gone", "newly_suppressed", "newly_shown", "shown_as_before")
    cli._table(
        f"Figures of release {found.after}, beside those of release {found.before}",
        ["table", *(kind.replace("_", " ") for kind in kinds)],
        [[f.table_id, *(f"{getattr(f, kind):,}" for kind in kinds)] for f in found.figures],
    )
    causes = ("new", "late", "corrected", "withdrawn")
    cli._table(
        "Records that are counted (stays inside)",
        ["records", *causes],
        [[r.table_name, *(f"{getattr(r, f'{cause}_count'):,}" for cause in causes)] for r in found.records],
    )
    if found.erased_count:
        cli._print(f"{found.erased_count:,} people were forgotten in between; nothing is left of them to count.")


@release_app.command("approve")
def release_approve(
    release_id: ReleaseId,
    reason: Annotated[
        str, typer.Option(help="Why, if there is something to say; it goes into the ledger")
    ] = "approved",
) -> None:
    """Publish a draft, exactly as it was drafted. Run again, it writes the pages anew."""
    from flows import cli
    from flows.releasing import approve

    _tell_decision(approve(cli._workspace(), release_id, _said(reason), now=cli._now()))


@release_app.command("hold")
def release_hold(
    release_id: ReleaseId, reason: Annotated[str, typer.Option(help="Why; it goes into the ledger")]
) -> None:
    """Keep a draft from being published. The next one is compared with what is published, not with it."""
    from flows import cli
    from flows.releasing import hold

    _tell_decision(hold(cli._workspace(), release_id, _said(reason), now=cli._now()))


def _said(reason: str) -> str:
    if not reason.strip():
        raise UsageError("say why with --reason: it goes into the ledger.")
    return reason.strip()


def _tell_decision(made: Decision) -> None:
    from flows import cli

    sentence = f"Release {made.release_id} is {made.status}."
    if made.status == "approved":
        done = "is approved" if made.is_new else "was approved before; its pages are written anew"
        sentence = f"Release {made.release_id} {done}: {made.page}"
    cli._tell(made, sentence)


def tell_repetition(found: Repetition) -> int:
    """Say what came of a repeat; returns the exit code: 0 unless figures differ."""
    from flows import cli
    from flows.errors import BrokenIdentityError, HeldError
    from flows.stages.repeat import as_data

    exit_code = 0
    if found.is_compared and not found.is_exact:
        exit_code = HeldError.exit_code if found.reasons else BrokenIdentityError.exit_code
    if cli._Options.json:
        cli._print_json({**as_data(found), "exit_code": exit_code})
    else:
        cli._print(sentence_of(found))
    return exit_code


def sentence_of(found: Repetition) -> str:
    """What came of a repeat, in words."""
    when = f"as of batch {found.as_of_batch} at {found.as_of_at:%Y-%m-%d %H:%M} UTC"
    figures = f"{found.cell_count:,} figures, {found.suppressed_count:,} of them suppressed"
    if not found.is_compared:
        return f"No release was approved {when}: {figures}, and nothing to compare them with. Nothing was published."
    name = f"Release {found.release_id}, {when}"
    if found.is_exact:
        return f"{name}: repeated exactly, {figures}. Nothing was published."
    differing: dict[str, Any] = found.differing
    tables = ", ".join(f"{table} {count:,}" for table, count in sorted(differing.items()))
    why = (
        "; ".join(found.reasons) or "nothing that is known to change figures has changed, which is a fault to look into"
    )
    return f"{name}: not repeatable. {sum(differing.values()):,} figures differ ({tables}). Why: {why}."
