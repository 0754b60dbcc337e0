"""What the command line says: on stderr, never wrapped in a pipe, never read as markup."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sized

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import OrbitviewError

WIDE = 10_000
"""Columns of a pipe: what reads it finds whole lines."""

console = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)


def say(text: str, style: str = "", mark: str = "") -> None:
    """One line on stderr, as it is; ``mark`` stands before it in the style's colour."""
    head = f"[{style}]{escape(mark)}[/] " if mark and style else f"{escape(mark)} " if mark else ""
    console.print(head + escape(text), highlight=False, soft_wrap=True)


def count_files(files: Sized, kind: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{len(files)} {kind}file{'' if len(files) == 1 else 's'}"


def complain(error: OrbitviewError, where: str = "") -> None:
    """An error's sentence and hint."""
    say(f"{'in ' + where + ': ' if where else ''}{error.message}", "red", "error:" if not where else "error")
    if error.hint:
        say(f"  {error.hint}")


def as_row(error: OrbitviewError) -> dict[str, str]:
    """An error in ``--json``."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def told(failure: Exception) -> OrbitviewError:
    """What to say of a failed picture. One that breaks an engine must not stop the hundred after it."""
    if isinstance(failure, OrbitviewError):
        return failure
    if isinstance(failure, BrokenPipeError):
        raise failure
    if isinstance(failure, OSError):
        return OrbitviewError(f"The files cannot be written: {failure.strerror or failure}.", hint="Is the disk full?")
    return OrbitviewError(
        f"The engine failed: {type(failure).__name__}: {str(failure)[:200]}.", hint="Try another picture or engine."
    )


def show_table(*columns: str, rows: list[tuple[str, ...]]) -> None:
    """A table on stdout."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)


Track = Callable[[str, int, int], contextlib.AbstractContextManager[Callable[[float, str], None]]]


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Track]:
    """A progress bar over all pictures; nothing where results go to stdout or nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=1.0)

        @contextlib.contextmanager
        def track(name: str, number: int, count: int) -> Iterator[Callable[[float, str], None]]:
            def update(share: float, stage: str) -> None:
                bar.update(task, completed=(number + share) / count, description=f"{name}: {stage}")

            yield update
            bar.update(task, completed=(number + 1) / count)

        yield track
