"""Prometheus metrics, computed from the tables."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ..jobs.queue import JobQueue
from ..jobs.records import deliveries, jobs

BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 300, 600)


class _Tables:
    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    def collect(self) -> Iterator[Metric]:
        """Read everything in one go."""
        with self._queue.engine.connect() as connection:
            counts = connection.execute(
                sa.select(jobs.c.engine, jobs.c.status, sa.func.count()).group_by(jobs.c.engine, jobs.c.status)
            ).all()
            timed = connection.execute(
                sa.select(jobs.c.engine, jobs.c.created, jobs.c.started, jobs.c.finished).where(
                    jobs.c.status.in_(("success", "failed"))
                )
            ).all()
            sent = connection.execute(
                sa.select(deliveries.c.error.is_(None), sa.func.count()).group_by(deliveries.c.error.is_(None))
            ).all()
        depth = GaugeMetricFamily("orbitview_queue_depth", "Jobs that wait or run", labels=["engine", "status"])
        ended = CounterMetricFamily("orbitview_jobs", "Jobs that ended and are kept", labels=["engine", "status"])
        for engine, status, count in counts:
            (depth if status in ("queued", "processing") else ended).add_metric([engine, status], count)
        yield depth
        yield ended
        for name, text, low, high in (
            ("orbitview_wait_seconds", "From acceptance to start", 1, 2),
            ("orbitview_run_seconds", "From start to end", 2, 3),
        ):
            family = HistogramMetricFamily(name, text, labels=["engine"])
            for engine in sorted({row[0] for row in timed}):
                values = [row[high] - row[low] for row in timed if row[0] == engine and row[low] and row[high]]
                buckets = [(str(b), float(sum(v <= b for v in values))) for b in BUCKETS] + [
                    ("+Inf", float(len(values)))
                ]
                family.add_metric([engine], buckets=buckets, sum_value=sum(values))
            yield family
        webhooks = CounterMetricFamily("orbitview_webhooks", "Webhook attempts", labels=["outcome"])
        for good, count in sent:
            webhooks.add_metric(["delivered" if good else "failed"], count)
        yield webhooks


def render_metrics(queue: JobQueue) -> str:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Tables(queue))  # type: ignore[arg-type]
    return generate_latest(registry).decode()
