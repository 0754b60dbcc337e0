"""Prometheus metrics, read off the tables: each scrape adds what has ended since the last one."""

from __future__ import annotations

import json
import threading

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..jobs.queue import JobQueue
from ..jobs.records import OPEN, deliveries, jobs

BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300, 600)
OVERLAP = 30.0
"""Seconds that a scrape looks back beyond the last one: clocks of workers differ a little."""


class Metrics:
    """The metrics of a whole fleet, from any of its servers; counters begin with the jobs that are kept."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue, self._lock = queue, threading.Lock()
        self._registry = registry = CollectorRegistry()
        self._depth = Gauge(
            "orbitview_queue_depth", "Jobs that wait or run", ["operation", "engine", "status"], registry=registry
        )
        self._jobs = Counter("orbitview_jobs", "Jobs that ended", ["operation", "engine", "status"], registry=registry)
        self._wait, self._run, self._stage = (
            Histogram(name, text, labels, buckets=BUCKETS, registry=registry)
            for name, text, labels in (
                ("orbitview_wait_seconds", "From acceptance to start", ["operation", "engine"]),
                ("orbitview_run_seconds", "From start to end", ["operation", "engine"]),
                ("orbitview_stage_seconds", "Of one stage of a job", ["operation", "engine", "stage"]),
            )
        )
        self._webhooks = Counter("orbitview_webhooks", "Webhook attempts", ["outcome"], registry=registry)
        self._ended, self._counted, self._delivery = 0.0, dict[int, float](), 0

    def text(self) -> str:
        """What Prometheus scrapes."""
        with self._lock:
            self._read()
            return generate_latest(self._registry).decode()

    def _read(self) -> None:
        with self._queue.engine.connect() as connection:
            counts = connection.execute(
                sa.select(jobs.c.operation, jobs.c.engine, jobs.c.status, sa.func.count())
                .where(jobs.c.status.in_(OPEN))
                .group_by(jobs.c.operation, jobs.c.engine, jobs.c.status)
            ).all()
            columns = (
                jobs.c.id,
                jobs.c.operation,
                jobs.c.engine,
                jobs.c.status,
                jobs.c.created,
                jobs.c.started,
                jobs.c.finished,
            )
            ended = connection.execute(
                sa.select(*columns, jobs.c.meta).where(jobs.c.finished > self._ended - OVERLAP)
            ).all()
            sent = connection.execute(
                sa.select(deliveries.c.id, deliveries.c.error.is_(None)).where(deliveries.c.id > self._delivery)
            ).all()
        self._depth.clear()
        for operation, engine, status, count in counts:
            self._depth.labels(operation, engine, status).set(count)
        for job in ended:
            if job.id in self._counted:
                continue
            self._counted[job.id] = job.finished
            self._ended = max(self._ended, job.finished)
            what = (job.operation, job.engine)
            self._jobs.labels(*what, job.status).inc()
            if job.started and job.status != "cancelled":
                self._wait.labels(*what).observe(job.started - job.created)
                self._run.labels(*what).observe(job.finished - job.started)
                for stage, seconds in json.loads(job.meta or "{}").get("stages", {}).items():
                    self._stage.labels(*what, stage).observe(seconds)
        self._counted = {job: at for job, at in self._counted.items() if at > self._ended - 2 * OVERLAP}
        for number, good in sent:
            self._webhooks.labels("delivered" if good else "failed").inc()
            self._delivery = max(self._delivery, number)
