"""The side of the jobs that accepts, looks up and cancels; it runs none."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from ..config import Settings
from ..errors import OrbitviewError
from ..logs import get_logger
from ..operations.pictures import temporary_keys, with_images
from ..storage import Storage
from .batching import batches
from .doors import enqueue_together
from .intake import Intake
from .records import OPEN, Records, Row, connect, sortable_id

APPLICATION = "orbitview"
VERSION = "1"
"""Of the workflows: a constant, so that an upgraded worker takes up what its predecessor left."""
WORKFLOW, DELIVERY = "orbitview.job", "orbitview.delivery"
QUEUE, WEBHOOKS = "orbitview-views", "orbitview-deliveries"
BATCHES = "orbitview-batches"
"""Where jobs wait whose engine may run several together."""
EARLIER = "orbitview-webhooks"
"""Where webhooks waited before each key had its share of the slots; what is left there is still sent."""


log = get_logger("orbitview.jobs")


class Busy(OrbitviewError):
    """Too many requests or jobs; ``retry_after`` says in how many seconds to come again."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, hint: str = "", retry_after: int = 30) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Conflict(OrbitviewError):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"
    status = 409


class _Recent:
    """Values that may be a little old."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, Any]] = {}

    def get(self, name: str, seconds: float, make: Callable[[], Any]) -> Any:
        """The value made at most ``seconds`` ago, else a new one."""
        made, value = self._kept.get(name, (-math.inf, None))
        if time.monotonic() - made > seconds:
            value = make()
            self._kept[name] = (time.monotonic(), value)
        return value


class JobQueue:
    """Accept jobs durably: the record and the queue entry are written in one transaction."""

    def __init__(self, settings: Settings, *, migrate: bool = True) -> None:
        self.settings = settings
        self.engine = connect(settings)
        self.records = Records(self.engine)
        self.storage = Storage(settings)
        self._recent = _Recent()
        self._intake = Intake(self._write)
        if migrate:
            DBOS.migrate(settings.database)
        options: dict[str, Any] = {"application_name": APPLICATION}
        if settings.database.startswith("sqlite"):
            options["system_database_engine"] = self.engine
        else:
            options["system_database_url"] = settings.database
        self.client = DBOSClient(**options)

    def submit(
        self,
        request: Row,
        key_id: str,
        *,
        pictures: Sequence[bytes | None] = (),
        webhook: str | None = None,
        track_id: str | None = None,
        idempotency: str | None = None,
        priority: int = 10,
        operation: str = "views",
    ) -> Row:
        """Queue a job; returns its record. The same idempotency key and request give the same job.

        Args:
            pictures: for each of the request's pictures, in their order, the bytes to store for the job, if it says
                ``temporary``; stored last, and not at all where the job is refused.

        Raises:
            Busy: the queue is full.
            Conflict: the idempotency key belongs to another request.
            StorageFull: there is no room.
        """
        told = request if operation == "views" else request | {"operation": operation}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        if idempotency is not None:
            before = self.records.by_idempotency(key_id, idempotency)
            if before is not None:
                if before["request_hash"] != digest:
                    raise Conflict("This Idempotency-Key was used for another request.", hint="Send a new one.")
                return before
        waiting = self.waiting()
        if waiting >= self.settings.max_queue:
            retry_after = self.eta(waiting, str(request["engine"]), operation)
            raise Busy("The queue is full.", hint="Try again later.", retry_after=retry_after)
        self.storage.check_room()
        stored: list[str] = []

        def store(number: int, image: Row) -> Row:
            data = pictures[number] if number < len(pictures) else None
            if data is None:
                return image
            stored.append(f"generations/{uuid.uuid4()}.{image['ending']}")
            self.storage.put(stored[-1], data)
            return image | {"key": stored[-1]}

        try:
            request = with_images(request, store)
            job = self._insert(request, digest, key_id, webhook, track_id, idempotency, priority, operation)
        except BaseException:
            with contextlib.suppress(Exception):
                self.storage.delete(stored)
            raise
        if stored and temporary_keys(json.loads(job["request"])) != stored:
            self.storage.delete(stored)  # somebody was faster with the same idempotency key
        return job

    def _insert(
        self,
        request: Row,
        digest: str,
        key_id: str,
        webhook: str | None,
        track_id: str | None,
        idempotency: str | None,
        priority: int,
        operation: str,
    ) -> Row:
        """Record and queue entry in one transaction."""
        uid = sortable_id()
        row = {
            "uid": uid,
            "key_id": key_id,
            "status": "queued",
            "stage": "queued",
            "operation": operation,
            "engine": request["engine"],
            "request": json.dumps(request),
            "request_hash": digest,
            "idempotency": idempotency,
            "prefix": str(uuid.uuid4()),
            "created": time.time(),
            "webhook": webhook,
            "track_id": track_id,
            # As the table's own defaults, so that the record need not be read back.
            "progress": 0.0,
            "meta": "{}",
            "files": "[]",
            "error": None,
            "started": None,
            "finished": None,
        }
        entry: Any = {
            "workflow_name": WORKFLOW,
            "queue_name": self._queue_of(str(request["engine"])),
            "workflow_id": uid,
            "queue_partition_key": key_id,
            "priority": priority,
            "app_version": VERSION,
        }
        try:
            job_id = self._intake((row, entry))
        except sa.exc.IntegrityError:
            before = self.records.by_idempotency(key_id, idempotency or "")
            if before is None:
                raise
            return before
        log.info("accepted", job=job_id, key=key_id, operation=operation, engine=row["engine"])
        return row | {"id": job_id}

    def _write(self, jobs: list[tuple[Row, Any]]) -> list[int]:
        with self.engine.begin() as connection:
            numbers = self.records.insert_jobs(connection, [row for row, _ in jobs])
            enqueue_together(self.client, connection, [(entry, row["uid"]) for row, entry in jobs])
        return numbers

    def _queue_of(self, engine: str) -> str:
        """As of five seconds ago at most: which engine is the best one may change."""
        queue: str = self._recent.get(f"queue of {engine}", 5.0, lambda: BATCHES if batches(engine) else QUEUE)
        return queue

    def waiting(self) -> int:
        """How many jobs wait or run, as of half a second ago at most."""
        count: int = self._recent.get("waiting", 0.5, self.records.waiting)
        return count

    def any_key(self) -> bool:
        """Whether a key was ever created, as of a second ago at most."""
        there: bool = self._recent.get("keys", 1.0, self.records.any_key)
        return there

    def usual_seconds(self, engine: str, operation: str = "views") -> float:
        """Seconds that a job of this engine's operation usually runs, as of five seconds ago at most."""
        name = f"{operation} by {engine}"
        seconds: float = self._recent.get(name, 5.0, lambda: self.records.usual_seconds(engine, operation))
        return seconds

    def eta(self, ahead: int, engine: str, operation: str = "views") -> int:
        """Whole seconds until a job with ``ahead`` jobs before it should be done, learned from past jobs."""
        return max(1, int((ahead + 1) * self.usual_seconds(engine, operation) + 1))

    def eta_of(self, job: Row) -> int:
        """Whole seconds until this job should be done."""
        if job["status"] == "processing" and job["started"]:
            return max(1, int(self.usual_seconds(job["engine"], job["operation"]) - (time.time() - job["started"])))
        # A job just accepted is behind all that wait; counting those before it is worth it only later.
        fresh = time.time() - job["created"] < 1
        return self.eta(self.waiting() if fresh else self.position(job) or 0, job["engine"], job["operation"])

    def position(self, job: Row) -> int | None:
        """How many open jobs were accepted before this one; None once it has ended."""
        return self.records.waiting(below=job["id"]) if job["status"] in OPEN else None

    def cancel(self, job: Row) -> bool:
        """Stop a waiting or running job; False where it had ended."""
        error = {"code": "cancelled", "message": "The job was cancelled.", "hint": ""}
        if not self.records.finish(job["uid"], "cancelled", error=error, files=[]):
            return False
        self.storage.forget(job["prefix"])
        self.client.cancel_workflow(job["uid"])
        self.announce(job)
        return True

    def announce(self, job: Row, attempt: int = 1, event: str | None = None, delay: float = 0.0) -> None:
        """Queue the webhook of an ended job, ``delay`` seconds from now; one event and attempt are queued once."""
        if not job["webhook"]:
            return
        event = event or f"evt_{job['uid']}"
        entry: Any = {
            "workflow_name": DELIVERY,
            "queue_name": WEBHOOKS,
            "workflow_id": f"{event}-{attempt}",
            "queue_partition_key": job["key_id"],
            "app_version": VERSION,
        }
        if delay:
            entry["delay_seconds"] = delay
        self.client.enqueue(entry, job["id"], event, attempt)

    def delete(self, job: Row) -> None:
        """Remove an ended job, its files, its record and the queue's."""
        self.storage.forget(job["prefix"])
        self.storage.delete(temporary_keys(json.loads(job["request"])))
        tries = [f"evt_{job['uid']}-{entry['attempt']}" for entry in self.records.deliveries_of(job["id"])]
        self.client.delete_workflows([job["uid"], *tries])
        self.records.delete_job(job["id"])

    def sweep_files(self, seconds: float = 3600.0) -> int:
        """Delete files older than this that no record knows, left by what died in mid-sentence; how many they were.

        Safe beside running servers: a file is written seconds before its record, not an hour.
        """
        count, pictures = 0, None
        for keys in self.storage.old(seconds):
            unknown = self.records.unknown(keys)
            if unknown and pictures is None:
                pictures = self.records.pictures()
            left = [key for key in unknown if key not in (pictures or ())]
            self.storage.delete(left)
            count += len(left)
        return count

    def close(self) -> None:
        """Give the connections back."""
        self._intake.close()
        self.client.destroy()
        self.engine.dispose()
