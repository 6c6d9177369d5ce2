"""Do the tests notice? Each mutant is one changed line of the program; the tests of its module must fail with it.

    python tests/mutation/mutants.py run [--only WORDS] [--jobs 2]   try every mutant of `mutants.yaml`
    python tests/mutation/mutants.py draw --seed 1                   draw the list anew, so many of each stratum

A stratum of the list names its files, the tests that judge them and its mutants. A mutant is found by the definition it is in
(a function's qualified name, or a statement's path) and its line, never by a line's number, so that code may move. One that is
no longer found ends the run. Mutants run in copies of the tree; nothing here is changed.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import yaml

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutants.yaml")
COPIED = (
    "flows",
    "schemas",
    "sql",
    "deployments",
    "tests",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "Makefile",
)
SECONDS = 60  # of the tests of one mutant; one that takes longer is listed apart, neither caught nor missed


@dataclass(frozen=True)
class Mutant:
    """One line of a definition, and what becomes of it. `occurrence` counts equal lines of the definition from 1."""

    definition: str
    line: str
    becomes: str
    occurrence: int = 1


class MutantNotFoundError(LookupError):
    """No file of the stratum has the definition, or the definition no longer has the line."""


# Drawing


_PYTHON = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"), ast.And: ("and", "or"), ast.Or: ("or", "and"), ast.Add: ("+", "-"), ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"),
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_SQL = [
    (r"<=", "<"), (r">=", ">"), (r"<>", "="), (r"(?<![<>=-])>(?![=>])", ">="), (r"<(?![=>])", "<="), (r"(?<![<>=!:])=(?!=)", "<>"),
    (r"\bAND\b", "OR"), (r"\bOR\b", "AND"), (r" \+ ", " - "), (r" - ", " + "), (r" / ", " * "), (r" \* ", " / "),
    (r"\bIS NOT NULL\b", "IS NULL"), (r"\bIS NULL\b", "IS NOT NULL"), (r"\bNOT (?!NULL)", ""), (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bDISTINCT ", ""), (r"\bmin\(", "max("), (r"\bmax\(", "min("), (r"\b(true|false)\b", None), (r"(?<![\w.$])\d+(?![\w.])", None),
]  # fmt: skip


def python_mutants(text: str) -> Iterator[Mutant]:
    """Every change of an operator, a number, a truth, a call or a condition within one line of a function."""
    tree, lines = ast.parse(text), text.splitlines()
    for name, function in _functions(tree):
        ignored = {id(inner) for node in ast.walk(function) for outer in _not_run(node) for inner in ast.walk(outer)}
        inside = lines[function.lineno - 1 : function.end_lineno]
        for node in ast.walk(function):
            if id(node) in ignored:
                continue
            for row, first, last, new in _changes(node, lines):
                line = lines[row - 1].encode()
                changed = (line[:first] + new.encode() + line[last:]).decode()
                yield _mutant(name, inside, row - function.lineno, changed)


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _not_run(node: ast.AST) -> list[ast.AST]:
    """Annotations, and what stands in f-strings, whose places Python 3.11 does not know."""
    match node:
        case ast.FunctionDef():
            return [
                found
                for found in (*(a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg)), node.returns)
                if found
            ]
        case ast.AnnAssign():
            return [node.annotation]
        case ast.JoinedStr():
            return [node]
    return []


def _changes(node: ast.AST, lines: list[str]) -> Iterator[tuple[int, int, int, str]]:
    """(line, first byte, byte after the last, what stands there instead)."""
    match node:
        case ast.Compare(ops=[operator], left=left, comparators=[right]):
            yield from _between(left, right, operator, lines)
        case ast.BoolOp(op=operator, values=values):
            for left, right in zip(values, values[1:], strict=False):
                yield from _between(left, right, operator, lines)
        case ast.BinOp(left=left, right=right, op=operator):
            yield from _between(left, right, operator, lines)
        case ast.UnaryOp(op=ast.Not(), operand=operand) if node.lineno == operand.lineno:
            yield node.lineno, node.col_offset, operand.col_offset, ""
        case ast.Constant(value=bool() as value):
            yield node.lineno, node.col_offset, node.end_col_offset, str(not value)
        case ast.Constant(value=int() as value):
            yield node.lineno, node.col_offset, node.end_col_offset, str(value + 1)
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            yield node.lineno, node.col_offset, node.end_col_offset, _NAMES[name]
        case ast.Expr(value=ast.Call()) if node.lineno == node.end_lineno:
            yield node.lineno, node.col_offset, node.end_col_offset, "pass"
        case ast.Continue():
            yield node.lineno, node.col_offset, node.end_col_offset, "break"
        case ast.If(test=test) | ast.IfExp(test=test) if test.lineno == test.end_lineno:
            condition = lines[test.lineno - 1].encode()[test.col_offset : test.end_col_offset].decode()
            yield test.lineno, test.col_offset, test.end_col_offset, f"not ({condition})"
        case ast.Return(value=ast.expr() as value) if value.lineno == value.end_lineno:
            yield value.lineno, value.col_offset, value.end_col_offset, "None"


def _between(
    left: ast.expr, right: ast.expr, operator: ast.AST, lines: list[str]
) -> Iterator[tuple[int, int, int, str]]:
    if type(operator) not in _PYTHON or left.end_lineno != right.lineno:
        return
    old, new = _PYTHON[type(operator)]
    gap = lines[right.lineno - 1].encode()[left.end_col_offset : right.col_offset].decode()
    place = re.search(rf"(?<!\w){re.escape(old)}(?!\w)", gap)
    if place:
        yield right.lineno, left.end_col_offset + place.start(), left.end_col_offset + place.end(), new


def sql_mutants(path: str, text: str) -> Iterator[Mutant]:
    """Every change of an operator, a number, a join or an aggregate, outside of comments and strings."""
    lines = text.splitlines()
    for row, line in enumerate(lines):
        code = re.sub(r"'[^']*'|--.*", lambda found: "\x00" * len(found[0]), line)
        for pattern, new in _SQL:
            for place in re.finditer(pattern, code):
                old = place[0]
                if new is None:
                    instead = {"true": "false", "false": "true"}.get(old) or str(int(old) + 1)
                else:
                    instead = new
                changed = line[: place.start()] + instead + line[place.end() :]
                if _is_sql("\n".join([*lines[:row], changed, *lines[row + 1 :]])):
                    yield _mutant(path, lines, row, changed)


def _is_sql(text: str) -> bool:
    try:
        return bool(duckdb.extract_statements(re.sub(r"\{([a-z_]+)\}", r"\1", text)))
    except duckdb.Error:
        return False


def _mutant(name: str, inside: list[str], row: int, changed: str) -> Mutant:
    line = inside[row].strip()
    return Mutant(name, line, changed.strip(), sum(one.strip() == line for one in inside[: row + 1]))


def mutants_of(path: Path) -> list[Mutant]:
    text = path.read_text()
    found = sql_mutants(_statement(path), text) if path.suffix == ".sql" else python_mutants(text)
    return [one for one in dict.fromkeys(found) if one.line != one.becomes]


def _statement(path: Path) -> str:
    return path.relative_to(ROOT / "sql").with_suffix("").as_posix()


def draw(strata: list[dict], seed: int) -> None:
    """So many of each stratum as it says, from as many of its definitions as can be."""
    chance = random.Random(seed)
    for stratum in strata:
        by_definition: dict[str, list[Mutant]] = {}
        for path in files_of(stratum, ROOT):
            for mutant in mutants_of(path):
                by_definition.setdefault(mutant.definition, []).append(mutant)
        for found in by_definition.values():
            chance.shuffle(found)
        taken: list[Mutant] = []
        while len(taken) < stratum["count"] and any(by_definition.values()):
            names = [name for name, found in by_definition.items() if found]
            chance.shuffle(names)
            taken += [by_definition[name].pop() for name in names[: stratum["count"] - len(taken)]]
        stratum["mutants"] = [_written(mutant) for mutant in sorted(taken, key=lambda m: (m.definition, m.line))]


def _written(mutant: Mutant) -> dict:
    return {name: value for name, value in asdict(mutant).items() if (name, value) != ("occurrence", 1)}


# Running


def files_of(stratum: dict, root: Path) -> list[Path]:
    """The files of a stratum. Raises MutantNotFoundError where one of its patterns matches nothing."""
    found = []
    for pattern in stratum["files"]:
        matching = sorted(root.glob(pattern))
        if not matching:
            raise MutantNotFoundError(f"{stratum['name']}: no file is {pattern}")
        found += matching
    return found


def place_of(mutant: Mutant, paths: list[Path], root: Path) -> tuple[Path, int]:
    """The file and the line, counted from 0, that a mutant changes. Raises MutantNotFoundError."""
    for path in paths:
        lines = path.read_text().splitlines()
        for first, last in _extents(mutant.definition, path, root):
            rows = [row for row in range(first, last) if lines[row].strip() == mutant.line]
            if len(rows) >= mutant.occurrence:
                return path, rows[mutant.occurrence - 1]
    raise MutantNotFoundError(f"{mutant.definition}: no line {mutant.line!r} ({mutant.occurrence})")


def _extents(definition: str, path: Path, root: Path) -> list[tuple[int, int]]:
    if path.suffix == ".sql":
        is_it = path.relative_to(root / "sql").with_suffix("").as_posix() == definition
        return [(0, len(path.read_text().splitlines()))] if is_it else []
    return [
        (function.lineno - 1, function.end_lineno or function.lineno)
        for name, function in _functions(ast.parse(path.read_text()))
        if name == definition
    ]


def verdict(mutant: Mutant, stratum: dict, tree: Path) -> str:
    """`caught`, `missed` or `too slow`: the tests of the stratum on a copy of the tree that has this mutant."""
    path, row = place_of(mutant, files_of(stratum, tree), tree)
    honest = path.read_text()
    lines = honest.splitlines(keepends=True)
    lines[row] = lines[row].replace(mutant.line, mutant.becomes)
    path.write_text("".join(lines))
    try:
        return judged(stratum["tests"], tree)
    finally:
        path.write_text(honest)


def judged(tests: list[str], tree: Path) -> str:
    """What those tests say of a copy of the tree, each file's first failure being enough."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    variables = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command, cwd=tree, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
        return "too slow"
    if code not in (0, 1, 2):  # 2: a test module that could not be imported any more
        raise RuntimeError(f"pytest ended with {code}: {' '.join(command)}")
    return "caught" if code else "missed"


def run(strata: list[dict], jobs: int, words: str) -> int:
    """Tries every mutant whose stratum or definition holds the words, prints each that is not caught, then the figures."""
    wanted = [
        (stratum, Mutant(**one))
        for stratum in strata
        for one in stratum["mutants"]
        if words in stratum["name"] + " " + one["definition"]
    ]
    for stratum, mutant in wanted:
        place_of(mutant, files_of(stratum, ROOT), ROOT)
    counts: dict[str, Counter[str]] = {}
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(jobs):
            trees.put(_copy(Path(folder) / str(number)))

        def judge(stratum: dict, mutant: Mutant) -> tuple[str, float]:
            tree, start = trees.get(), time.monotonic()
            try:
                return verdict(mutant, stratum, tree), time.monotonic() - start
            finally:
                trees.put(tree)

        running = [(stratum, mutant, pool.submit(judge, stratum, mutant)) for stratum, mutant in wanted]
        for stratum, mutant, future in running:
            found, seconds = future.result()
            counts.setdefault(stratum["name"], Counter())[found] += 1
            print(f"{found:8} {seconds:5.1f} s  {mutant.definition}: {mutant.line}  ->  {mutant.becomes}", flush=True)
    print()
    for name, found in [*counts.items(), ("all", sum(counts.values(), Counter()))]:
        print(
            f"{name}: {found.total()} mutants, {found['caught']} caught, {found['missed']} missed, {found['too slow']} too slow"
        )
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


def _copy(tree: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("--only", default="", help="mutants whose stratum or definition holds these words")
    running.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    commands.add_parser("draw").add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    strata = yaml.safe_load(LIST.read_text())
    if arguments.command == "run":
        return run(strata, arguments.jobs, arguments.only)
    draw(strata, arguments.seed)
    head = "".join(line for line in LIST.read_text().splitlines(keepends=True) if line.startswith("#"))
    LIST.write_text(head + yaml.safe_dump(strata, sort_keys=False, width=1000, allow_unicode=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
