# ruff: noqa: SLF001  what `cli` keeps to itself are the tools of all commands; it imports this module, so they are fetched late
"""The command `outcomes pull`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from flows.exports.pulling import Told


def pull(
    source: Annotated[str, typer.Argument(help="The kind of export; its YAML says where the API is")],
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"],
            help="Ask for what has changed since then (UTC) instead of since the last pull",
        ),
    ] = None,
) -> None:
    """Bring an API's export into landing, from where the last pull ended; ingest takes it from there."""
    from flows import cli, pipeline

    workspace = cli._workspace()
    asked_from = since.replace(tzinfo=UTC) if since else None
    if cli._is_tracked():
        from flows import deployed

        summary = deployed.pull_now(workspace.root, source, asked_from)
        deployed.send_rest()
    else:
        with _Progress(is_shown=sys.stderr.isatty() and not cli._Options.json) as told:
            summary = pipeline.pull(workspace, source, now=cli._now(), since=asked_from, told=told)
    if cli._Options.json:
        cli._print_json({**asdict(summary), "exit_code": summary.exit_code})
    else:
        rows = [
            [
                found.name,
                "read to its end" if found.is_complete else "not finished",
                f"{found.page_count:,}",
                f"{found.record_count:,}",
            ]
            for found in summary.lists
        ]
        cli._table(None, ["list", "state", "pages", "records"], rows)
        if any(found.record_count for found in summary.lists):
            cli._print(f"In landing/{source}/ now, if nothing has taken it yet: outcomes ingest --source {source}")
    for found in summary.lists:
        for note in found.notes:
            cli._say(f"{found.name}: {note}")
        if found.message:
            cli._say(found.message)
    raise typer.Exit(summary.exit_code)


class _Progress:
    """How far each list is, on standard error, if a person looks at it."""

    def __init__(self, *, is_shown: bool) -> None:
        self._is_shown = is_shown
        self._tasks: dict[str, Any] = {}
        self._bar: Any = None

    def __enter__(self) -> Told:
        if not self._is_shown:
            return lambda *_: None
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}  {task.fields[pages]:,} pages  {task.completed:,} records"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        return self._show

    def _show(self, name: str, page_count: int, record_count: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=None, pages=0)
        self._bar.update(self._tasks[name], completed=record_count, pages=page_count)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
