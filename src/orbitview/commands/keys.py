"""``orbitview keys``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ..errors import InvalidRequest
from .console import show_table

app = typer.Typer(no_args_is_help=True, help="API keys of the server.")


@app.command("create")
def create(
    name: str,
    per_minute: Annotated[int, typer.Option(help="Jobs a minute; 0: no limit.")] = 0,
    at_once: Annotated[int, typer.Option(help="Open jobs at once; 0: no limit.")] = 0,
    reads: Annotated[
        str | None, typer.Option(metavar="KEY_ID", help="Make a key that can only look at that key's jobs.")
    ] = None,
) -> None:
    """Make a key. It is shown once; only its digest is kept."""
    records = _records()
    if reads is not None and records.key(reads) is None:
        raise InvalidRequest(f"There is no key {reads}.", hint="See: orbitview keys list.")
    text, row = records.create_key(name, per_minute, at_once, reads)
    print(json.dumps({"id": row["id"], "key": text, "webhook_secret": row["webhook_secret"]}, indent=1))


@app.command("list")
def list_keys() -> None:
    """List keys."""
    rows: list[tuple[str, ...]] = []
    for row in _records().list_keys():
        limits = (str(row["per_minute"]), str(row["at_once"]))
        rows.append((row["id"], row["name"], row["reads"] or "", *limits, "yes" if row["revoked"] else ""))
    show_table("id", "name", "reads only", "per minute", "at once", "revoked", rows=rows)


@app.command("revoke")
def revoke(key_id: str) -> None:
    """Revoke a key at once."""
    if not _records().revoke_key(key_id):
        raise InvalidRequest(f"There is no live key {key_id}.", hint="See: orbitview keys list.")


def _records() -> Any:
    from ..config import Settings
    from ..jobs.records import Records, connect

    return Records(connect(Settings()))
