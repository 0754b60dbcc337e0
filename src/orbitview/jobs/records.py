"""Tables: API keys, jobs, uploaded pictures, webhook deliveries, workers."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..config import Settings
from ..operations.pictures import images_of

_meta = sa.MetaData()

keys = sa.Table(
    "orbitview_keys",
    _meta,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("reads", sa.String(40)),  # a key that only looks at the jobs of this other one
    sa.Column("per_minute", sa.Integer, nullable=False, default=0),
    sa.Column("at_once", sa.Integer, nullable=False, default=0),
    sa.Column("webhook_secret", sa.String(80), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float),
)
jobs = sa.Table(
    "orbitview_jobs",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("uid", sa.String(48), nullable=False, unique=True),
    sa.Column("key_id", sa.String(40), nullable=False, index=True),
    sa.Column("status", sa.String(12), nullable=False, index=True),
    sa.Column("engine", sa.String(60), nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("idempotency", sa.String(200)),
    sa.Column("prefix", sa.String(48), nullable=False),
    sa.Column("progress", sa.Float, nullable=False, default=0.0),
    sa.Column("stage", sa.String(40), nullable=False, default="queued"),
    sa.Column("meta", sa.Text, nullable=False, default="{}"),
    sa.Column("files", sa.Text, nullable=False, default="[]"),
    sa.Column("error", sa.Text),
    sa.Column("created", sa.Float, nullable=False, index=True),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float, index=True),
    sa.Column("webhook", sa.Text),
    sa.Column("track_id", sa.Text),
    sa.Column("operation", sa.String(40), nullable=False, default="views", server_default="views"),
    sa.UniqueConstraint("key_id", "idempotency"),
    sqlite_autoincrement=True,
)
uploads = sa.Table(
    "orbitview_uploads",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key_id", sa.String(40), nullable=False),
    sa.Column("file", sa.String(200), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sqlite_autoincrement=True,
)
deliveries = sa.Table(
    "orbitview_deliveries",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.Integer, nullable=False, index=True),
    sa.Column("event", sa.String(60), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("event", "attempt"),
)

workers = sa.Table(
    "orbitview_workers",
    _meta,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("beat", sa.Integer, nullable=False),
)

OPEN = ("queued", "processing")
Row = dict[str, Any]


def connect(settings: Settings) -> sa.Engine:
    """The one engine for tables and jobs; makes the tables where they are missing."""
    url = settings.database
    if url.startswith("sqlite:"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, pool_size=20, max_overflow=0, pool_timeout=30)

        @sa.event.listens_for(engine, "connect")
        def _prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = "IMMEDIATE"
            for pragma in ("busy_timeout=30000", "foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL"):
                connection.execute("PRAGMA " + pragma)
            if sqlite3.sqlite_version_info < (3, 42):
                # From Python 3.12 on the queue's library asks for unixepoch('subsec'), which is NULL before 3.42.
                connection.create_function("unixepoch", 1, lambda _: time.time())
    else:
        engine = sa.create_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=10, pool_pre_ping=True
        )
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # several processes may start at once
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(76211947)"))
        _meta.create_all(connection)
        _add_columns(connection)
    return engine


def _add_columns(connection: sa.Connection) -> None:
    """What tables of an earlier version lack."""
    known = {column["name"] for column in sa.inspect(connection).get_columns(jobs.name)}
    if "operation" not in known:
        connection.execute(
            sa.text(f"ALTER TABLE {jobs.name} ADD COLUMN operation VARCHAR(40) NOT NULL DEFAULT 'views'")
        )


def sortable_id() -> str:
    """Unguessable, and later ones sort later."""
    return f"{time.time_ns():016x}{secrets.token_hex(10)}"


def hash_key(key: str) -> str:
    """What is stored of a key: keys are 256 random bits, so a plain digest cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()


class Records:
    """Reads and writes of our tables, each one short transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def _one(self, query: sa.Select[Any]) -> Row | None:
        with self.engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return dict(row) if row else None

    def _all(self, query: sa.Select[Any]) -> list[Row]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    # keys

    def create_key(self, name: str, per_minute: int = 0, at_once: int = 0, reads: str | None = None) -> tuple[str, Row]:
        """Make a key; the text is returned once and never stored. ``reads``: the key whose jobs it may look at."""
        text = "ov_" + secrets.token_urlsafe(32)
        row = {
            "id": "key_" + secrets.token_hex(8),
            "hash": hash_key(text),
            "name": name,
            "reads": reads,
            "per_minute": per_minute,
            "at_once": at_once,
            "webhook_secret": "whsec_" + secrets.token_urlsafe(32).replace("-", "A").replace("_", "B") + "=",
            "created": time.time(),
        }
        with self.engine.begin() as connection:
            connection.execute(keys.insert().values(row))
        return text, row

    def list_keys(self) -> list[Row]:
        """All keys, without their hashes' use to anyone."""
        return self._all(sa.select(keys).order_by(keys.c.created))

    def revoke_key(self, key_id: str) -> bool:
        """Whether there was such a key to revoke."""
        with self.engine.begin() as connection:
            done = connection.execute(
                keys.update().where(keys.c.id == key_id, keys.c.revoked.is_(None)).values(revoked=time.time())
            )
        return bool(done.rowcount)

    def find_key(self, text: str) -> Row | None:
        """The live key with that text."""
        return self._one(sa.select(keys).where(keys.c.hash == hash_key(text), keys.c.revoked.is_(None)))

    def key(self, key_id: str) -> Row | None:
        """A key by its id."""
        return self._one(sa.select(keys).where(keys.c.id == key_id))

    def any_key(self) -> bool:
        """Whether a key was ever created."""
        return self._one(sa.select(keys.c.id).limit(1)) is not None

    # jobs

    def insert_jobs(self, connection: sa.Connection, rows: list[Row]) -> list[int]:
        """Add jobs inside the caller's transaction; returns their numbers."""
        numbered = jobs.insert().returning(jobs.c.id, sort_by_parameter_order=True)
        return list(connection.execute(numbered, rows).scalars())

    def job(self, job_id: int, key_id: str | None = None) -> Row | None:
        """A job by number; only the key's own where a key is given."""
        query = sa.select(jobs).where(jobs.c.id == job_id)
        return self._one(query if key_id is None else query.where(jobs.c.key_id == key_id))

    def by_uid(self, uid: str) -> Row | None:
        """A job by its workflow id."""
        return self._one(sa.select(jobs).where(jobs.c.uid == uid))

    def by_idempotency(self, key_id: str, token: str) -> Row | None:
        """The job that was made with an idempotency key."""
        return self._one(sa.select(jobs).where(jobs.c.key_id == key_id, jobs.c.idempotency == token))

    def list_jobs(self, key_id: str, before: int | None, limit: int) -> list[Row]:
        """The key's jobs, newest first, with numbers below ``before``."""
        query = sa.select(jobs).where(jobs.c.key_id == key_id).order_by(jobs.c.id.desc()).limit(limit)
        return self._all(query if before is None else query.where(jobs.c.id < before))

    def further_jobs(self, key_id: str, after: int, scene: str, limit: int = 50) -> list[Row]:
        """The key's jobs that made further files of the object kept at ``scene``, newest first."""
        mine = (jobs.c.key_id == key_id, jobs.c.id > after, jobs.c.request.contains(json.dumps(scene), autoescape=True))
        return self._all(sa.select(jobs).where(*mine).order_by(jobs.c.id.desc()).limit(limit))

    def waiting(self, key_id: str | None = None, below: int | None = None) -> int:
        """How many jobs are queued or running."""
        query = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.status.in_(OPEN))
        if key_id is not None:
            query = query.where(jobs.c.key_id == key_id)
        if below is not None:
            query = query.where(jobs.c.id < below)
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar() or 0)

    def queued(self, key_id: str) -> list[Row]:
        """The key's jobs that wait, newest first: so that none moves up before it is looked at."""
        return self._all(
            sa.select(jobs).where(jobs.c.key_id == key_id, jobs.c.status == "queued").order_by(jobs.c.id.desc())
        )

    def usual_seconds(self, engine: str, operation: str = "views") -> float:
        """Median run time of the last twenty jobs of an engine's operation; 5 where there are none yet."""
        query = (
            sa.select(jobs.c.started, jobs.c.finished)
            .where(jobs.c.engine == engine, jobs.c.operation == operation, jobs.c.status == "success")
            .order_by(jobs.c.id.desc())
            .limit(20)
        )
        with self.engine.connect() as connection:
            times = sorted(f - s for s, f in connection.execute(query) if s and f)
        return float(times[len(times) // 2]) if times else 5.0

    def start(self, uid: str) -> None:
        """Mark as running; the first start counts."""
        with self.engine.begin() as connection:
            connection.execute(
                jobs.update()
                .where(jobs.c.uid == uid, jobs.c.status.in_(OPEN))
                .values(status="processing", stage="start", started=sa.func.coalesce(jobs.c.started, time.time()))
            )

    def advance(self, uid: str, progress: float, stage: str) -> bool:
        """Write progress; False where the job is no longer open (cancelled, deleted)."""
        with self.engine.begin() as connection:
            done = connection.execute(
                jobs.update()
                .where(jobs.c.uid == uid, jobs.c.status.in_(OPEN))
                .values(progress=round(progress, 4), stage=stage)
            )
        return bool(done.rowcount)

    def publish(self, uid: str, files: list[Row]) -> None:
        """Show the files that an open job has made so far."""
        with self.engine.begin() as connection:
            connection.execute(
                jobs.update().where(jobs.c.uid == uid, jobs.c.status.in_(OPEN)).values(files=json.dumps(files))
            )

    def finish(
        self,
        uid: str,
        status: str,
        *,
        meta: Row | None = None,
        files: list[Row] | None = None,
        error: Row | None = None,
    ) -> bool:
        """End a job once; False where it had ended already."""
        values: Row = {"status": status, "finished": time.time(), "stage": status}
        if status == "success":
            values["progress"] = 1.0
        if meta is not None:
            values["meta"] = json.dumps(meta)
        if files is not None:
            values["files"] = json.dumps(files)
        if error is not None:
            values["error"] = json.dumps(error)
        with self.engine.begin() as connection:
            done = connection.execute(jobs.update().where(jobs.c.uid == uid, jobs.c.status.in_(OPEN)).values(values))
        return bool(done.rowcount)

    def delete_job(self, job_id: int) -> None:
        """Forget a job and its delivery log."""
        with self.engine.begin() as connection:
            connection.execute(deliveries.delete().where(deliveries.c.job_id == job_id))
            connection.execute(jobs.delete().where(jobs.c.id == job_id))

    def open_uids(self) -> set[str]:
        """Workflow ids of everything queued or running."""
        with self.engine.connect() as connection:
            return set(connection.execute(sa.select(jobs.c.uid).where(jobs.c.status.in_(OPEN))).scalars())

    def unknown(self, keys: list[str]) -> list[str]:
        """Those stored files that no job and no upload accounts for. Pictures that jobs came with are told apart by
        :meth:`pictures`."""
        stems = {key: re.sub(r"^(generations|scenes)/|[./].*$", "", key.split("/", 1)[1]) for key in keys}
        with self.engine.connect() as connection:
            prefixes = sa.select(jobs.c.prefix).where(jobs.c.prefix.in_(set(stems.values())))
            files = sa.select(uploads.c.file).where(uploads.c.file.in_(keys))
            known = set(connection.execute(prefixes).scalars()) | set(connection.execute(files).scalars())
        return [key for key in keys if stems[key] not in known and key not in known]

    def pictures(self) -> set[str]:
        """Keys of the pictures that jobs came with."""
        with self.engine.connect() as connection:
            found = connection.execution_options(yield_per=500).execute(sa.select(jobs.c.request)).scalars()
            return {image.get("key", "") for request in found for image in images_of(json.loads(request))}

    def expired(self, before: float, limit: int = 100) -> list[Row]:
        """Ended jobs that finished before a time."""
        return self._all(sa.select(jobs).where(jobs.c.finished < before).limit(limit))

    # uploads and deliveries

    def add_upload(self, key_id: str, file: str) -> int:
        """Remember an uploaded picture; returns its number."""
        with self.engine.begin() as connection:
            done = connection.execute(uploads.insert().values(key_id=key_id, file=file, created=time.time()))
        return int(done.inserted_primary_key[0])  # type: ignore[index]

    def take_upload(self, upload_id: int, key_id: str) -> str | None:
        """Forget an uploaded picture of the key's own and return its file."""
        found = self._one(sa.select(uploads).where(uploads.c.id == upload_id, uploads.c.key_id == key_id))
        if found is None:
            return None
        with self.engine.begin() as connection:
            connection.execute(uploads.delete().where(uploads.c.id == upload_id))
        return str(found["file"])

    def old_uploads(self, before: float, limit: int = 100) -> list[Row]:
        """Uploads made before a time."""
        return self._all(sa.select(uploads).where(uploads.c.created < before).limit(limit))

    def log_delivery(self, job_id: int, event: str, attempt: int, status: int | None, error: str | None) -> None:
        """Write down one attempt; an attempt that is run again after a crash replaces its line."""
        with self.engine.begin() as connection:
            connection.execute(deliveries.delete().where(deliveries.c.event == event, deliveries.c.attempt == attempt))
            connection.execute(
                deliveries.insert().values(
                    job_id=job_id, event=event, attempt=attempt, at=time.time(), status=status, error=error
                )
            )

    def beat(self, worker: str) -> dict[str, int]:
        """Say that a worker lives; returns every worker's count of beats."""
        with self.engine.begin() as connection:
            done = connection.execute(workers.update().where(workers.c.name == worker).values(beat=workers.c.beat + 1))
            if not done.rowcount:
                connection.execute(workers.insert().values(name=worker, beat=1))
            return {row.name: row.beat for row in connection.execute(sa.select(workers))}

    def bury(self, worker: str, beat: int) -> bool:
        """Forget a worker that stopped at a beat; True for the one caller who may share out its jobs."""
        with self.engine.begin() as connection:
            done = connection.execute(workers.delete().where(workers.c.name == worker, workers.c.beat == beat))
        return bool(done.rowcount)

    def deliveries_of(self, job_id: int) -> list[Row]:
        """The delivery log of a job, oldest first."""
        return self._all(sa.select(deliveries).where(deliveries.c.job_id == job_id).order_by(deliveries.c.id))
