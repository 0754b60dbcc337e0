"""The side of the jobs that accepts, looks up and cancels; it runs none."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from ..config import Settings
from ..errors import OrbitviewError
from ..logs import get_logger
from ..storage import Storage
from .records import OPEN, Records, Row, connect, sortable_id

APPLICATION = "orbitview"
VERSION = "1"
"""Of the workflows: a constant, so that an upgraded worker takes up what its predecessor left."""
WORKFLOW, DELIVERY = "orbitview.job", "orbitview.delivery"
QUEUE, WEBHOOKS = "orbitview-views", "orbitview-webhooks"


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


class JobQueue:
    """Accept jobs durably: the record and the queue entry are written in one transaction."""

    def __init__(self, settings: Settings, *, migrate: bool = True) -> None:
        self.settings = settings
        self.engine = connect(settings)
        self.records = Records(self.engine)
        self.storage = Storage(settings)
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
        webhook: str | None = None,
        track_id: str | None = None,
        idempotency: str | None = None,
        priority: int = 10,
    ) -> Row:
        """Queue a job; returns its record. The same idempotency key and request give the same job.

        Raises:
            Busy: the queue is full.
            Conflict: the idempotency key belongs to another request.
        """
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        if idempotency is not None:
            before = self.records.by_idempotency(key_id, idempotency)
            if before is not None:
                if before["request_hash"] != digest:
                    raise Conflict("This Idempotency-Key was used for another request.", hint="Send a new one.")
                return before
        waiting = self.records.waiting()
        if waiting >= self.settings.max_queue:
            raise Busy(
                "The queue is full.", hint="Try again later.", retry_after=self.eta(waiting, str(request["engine"]))
            )
        uid = sortable_id()
        row = {
            "uid": uid,
            "key_id": key_id,
            "status": "queued",
            "stage": "queued",
            "engine": request["engine"],
            "request": json.dumps(request),
            "request_hash": digest,
            "idempotency": idempotency,
            "prefix": str(uuid.uuid4()),
            "created": time.time(),
            "webhook": webhook,
            "track_id": track_id,
        }
        entry: Any = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": uid,
            "queue_partition_key": key_id,
            "priority": priority,
            "app_version": VERSION,
        }
        try:
            with self.engine.begin() as connection:
                job_id = self.records.insert_job(connection, row)
                self.client.enqueue_in_transaction(connection, entry, uid)
        except sa.exc.IntegrityError:
            before = self.records.by_idempotency(key_id, idempotency or "")
            if before is None:
                raise
            return before
        log.info("accepted", job=job_id, key=key_id, engine=row["engine"])
        return self.records.job(job_id) or row | {"id": job_id}

    def eta(self, ahead: int, engine: str) -> int:
        """Whole seconds until a job with ``ahead`` jobs before it should be done, learned from past jobs."""
        return max(1, int((ahead + 1) * self.records.usual_seconds(engine) + 1))

    def eta_of(self, job: Row) -> int:
        """Whole seconds until this job should be done."""
        if job["status"] == "processing" and job["started"]:
            usual = self.records.usual_seconds(job["engine"])
            return max(1, int(usual - (time.time() - job["started"])))
        return self.eta(self.position(job) or 0, job["engine"])

    def position(self, job: Row) -> int | None:
        """How many open jobs were accepted before this one; None once it has ended."""
        return self.records.waiting(below=job["id"]) if job["status"] in OPEN else None

    def cancel(self, job: Row) -> bool:
        """Stop a waiting or running job; False where it had ended."""
        if not self.records.finish(
            job["uid"], "cancelled", error={"code": "cancelled", "message": "The job was cancelled.", "hint": ""}
        ):
            return False
        self.client.cancel_workflow(job["uid"])
        self.announce(job)
        return True

    def announce(self, job: Row, attempt: int = 1, event: str | None = None) -> None:
        """Queue the webhook of an ended job; the same event and attempt are queued once."""
        if not job["webhook"]:
            return
        event = event or f"evt_{job['uid']}"
        entry: Any = {
            "workflow_name": DELIVERY,
            "queue_name": WEBHOOKS,
            "workflow_id": f"{event}-{attempt}",
            "app_version": VERSION,
        }
        self.client.enqueue(entry, job["id"], event, attempt)

    def delete(self, job: Row) -> None:
        """Remove an ended job, its files and its record."""
        self.storage.delete([entry["key"] for entry in json.loads(job["files"])])
        request = json.loads(job["request"])
        if request["image"].get("temporary"):
            self.storage.delete([request["image"]["key"]])
        self.records.delete_job(job["id"])

    def close(self) -> None:
        """Give the connections back."""
        self.client.destroy()
        self.engine.dispose()
