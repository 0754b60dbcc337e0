"""The process that runs jobs: ``orbitview worker``, or started by ``orbitview serve`` beside the API.

It may die at any moment. Its name (``ORBITVIEW_WORKER``) is its identity: started again under it, it takes up
what it was running. A job that kills it three times is failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from dbos import DBOS, DBOSConfig
from filelock import FileLock, Timeout
from structlog.contextvars import bound_contextvars

from ..config import Settings
from ..engines.together import gathering
from ..errors import OrbitviewError
from ..logs import configure, get_logger
from ..operations.registry import operation_of
from .batching import at_once
from .doors import choose_partition, take_over
from .produce import fetch_inputs, produce
from .queue import APPLICATION, BATCHES, DELIVERY, EARLIER, QUEUE, VERSION, WEBHOOKS, WORKFLOW, JobQueue
from .records import OPEN, Row
from .trouble import PatientRecords
from .webhooks import RETRY_FOR, send

RUNS = 3
"""Starts of a job before it is given up."""
_state: dict[str, Any] = {}
_stop = threading.Event()
_busy: dict[str, float] = {}
"""Since when the jobs run that were begun here."""
_running: set[str] = set()
"""Jobs that run in this process."""
_served: dict[str, float] = {}
"""When each key last had a job started here."""
_chosen: dict[str, float] = {}
"""When each key was last told to be next: what it has waiting may be taken before it starts."""
log = get_logger("orbitview.worker")


def _queue() -> JobQueue:
    queue: JobQueue = _state["queue"]
    return queue


def _as_error(error: Exception) -> Row:
    if isinstance(error, OrbitviewError):
        return {"code": error.code, "message": error.message, "hint": error.hint, "field": error.field}
    return {
        "code": "internal",
        "message": "The engine failed.",
        "hint": f"{type(error).__name__}; see the server's log.",
    }


@DBOS.step(name="orbitview.job.run")
def _run(uid: str) -> str:
    """Fetch, generate and store. Returns the status the job ended with."""
    queue = _queue()
    records = PatientRecords(queue.records, _stop)
    job = records.by_uid(uid)
    if job is None or job["status"] not in OPEN:
        return "gone"
    records.start(uid)
    request = json.loads(job["request"])
    begun = _busy[uid] = _served[job["key_id"]] = time.monotonic()
    with bound_contextvars(job=job["id"], operation=job["operation"], engine=job["engine"]):
        log.info("started", waited=round(time.time() - job["created"], 2))
        try:
            # One that was begun before may have stopped its worker: alone, it takes no neighbours along again.
            with gathering(1 if job["started"] else queue.settings.batch, job["key_id"]):
                status = _produce(queue, records, job, request)
        finally:
            del _busy[uid]
        log.info("ended", status=status, seconds=round(time.monotonic() - begun, 2))
    return status


def _produce(queue: JobQueue, records: PatientRecords, job: Row, request: Row) -> str:
    uid = job["uid"]
    advance, publish = partial(records.advance, uid), partial(records.publish, uid)
    wanted = partial(advance, 0.0, "fetch")
    try:
        wanted()
        pictures = [] if "scene" in request else fetch_inputs(request, queue.settings, queue.storage, wanted)
        settings = queue.settings
        taken = produce(
            operation_of(job["operation"]),
            request,
            pictures,
            job["prefix"],
            queue.storage,
            advance,
            publish,
            lambda files, meta: records.finish(uid, "success", files=files, meta=meta),
            settings.job_timeout,
            settings.keep_scenes,
        )
        if taken:
            if records.by_uid(uid) is None:  # deleted at once, before all of it was stored
                queue.storage.forget(job["prefix"])
            return "success"
    except Exception as error:
        expected = isinstance(error, OrbitviewError)
        log.warning("failed", error=repr(error), exc_info=None if expected else error)
        if records.finish(uid, "failed", error=_as_error(error), files=[]):
            queue.storage.forget(job["prefix"])
            return "failed"
    now = records.by_uid(uid)
    if now is None or now["status"] != "success":  # else another worker made the same files
        queue.storage.forget(job["prefix"])  # cancelled or deleted while it ran
    return "gone"


@DBOS.step(name="orbitview.job.announce")
def _announce(uid: str) -> None:
    job = _queue().records.by_uid(uid)
    if job is not None and job["status"] in ("success", "failed"):
        _queue().announce(job)


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RUNS - 1)
def _job(uid: str) -> None:
    """A job is two steps, so that a crash between them repeats neither."""
    _running.add(uid)
    try:
        _run(uid)
        _announce(uid)
    finally:
        _running.discard(uid)


@DBOS.step(name="orbitview.delivery.send")
def _send(job_id: int, event: str, attempt: int) -> bool:
    """One attempt; whether the webhook is done with (delivered, or its job is gone)."""
    queue = _queue()
    job = queue.records.job(job_id)
    if job is None:
        return True
    status, error = send(job, event, queue)
    queue.records.log_delivery(job_id, event, attempt, status, error)
    log.info("webhook", job=job_id, webhook=event, attempt=attempt, status=status, error=error)
    return error is None


@DBOS.step(name="orbitview.delivery.again")
def _again(job_id: int, event: str, attempt: int) -> None:
    """Queue the next attempt: 5 s, 15 s, 45 s, … at most 3 h apart, with jitter, for a day."""
    spent = sum(min(5 * 3**n, 10800) for n in range(attempt - 1))
    if spent > RETRY_FOR:
        return
    queue = _queue()
    job = queue.records.job(job_id)
    if job is None:
        return
    delay = min(5 * 3 ** (attempt - 1), 10800) * random.uniform(0.8, 1.2)
    queue.announce(job, attempt + 1, event, delay)


@DBOS.workflow(name=DELIVERY)
def _delivery(job_id: int, event: str, attempt: int) -> None:
    """One attempt at a webhook; the next one is a workflow of its own."""
    if not _send(job_id, event, attempt):
        _again(job_id, event, attempt)


class Pulse:
    """Tells the fleet that this worker lives, and shares out the jobs of one that does not.

    A worker that comes back under its name takes up its jobs itself; this is for one that never does. Counts of
    beats are compared, not clocks.
    """

    def __init__(self, name: str, timeout: float) -> None:
        self.name, self.timeout = name, timeout
        self._heard: dict[str, tuple[int, float]] = {}

    def tick(self, queue: JobQueue) -> None:
        """Beat, and look after the others."""
        now = time.monotonic()
        for name, beat in queue.records.beat(self.name).items():
            known, since = self._heard.get(name, (0, now))
            if beat != known:
                self._heard[name] = (beat, now)
            elif name != self.name and now - since > self.timeout and queue.records.bury(name, beat):
                log.warning("worker is gone", worker=name, taken_over=take_over(name))


def _longest_waiting(keys: list[str]) -> str:
    """The key that waited longest is served next."""
    key = min(keys, key=lambda key: (_served.get(key, 0.0), _chosen.get(key, 0.0)))
    _chosen[key] = time.monotonic()
    return key


def _sweep(stop: threading.Event, settings: Settings) -> None:
    """Fail what was given up on or hangs, take up what was dropped, clear what expired, look after the fleet."""
    queue, pulse, dropped = _queue(), Pulse(settings.worker, settings.worker_timeout), Dropped(settings.worker)
    chores: list[tuple[str, Callable[[], object], float]] = [
        ("pulse", lambda: pulse.tick(queue), settings.worker_timeout / 15),
        ("given up", lambda: _give_up(queue), 0.0),
        ("dropped", lambda: dropped.tick(queue), 5.0),
        ("clean", lambda: clean(queue, settings), 3600.0),
        ("files", queue.sweep_files, 86400.0),
    ]
    done: dict[str, float] = {"files": time.monotonic() - 86400 + 600}  # ten minutes after the start
    while not stop.wait(1.0):
        for name, chore, every in chores:
            if time.monotonic() - done.get(name, -every) < every:
                continue
            done[name] = time.monotonic()
            try:
                chore()
            except Exception as error:
                log.warning("chore failed", chore=name, error=repr(error)[:300])
        late = [uid for uid, since in list(_busy.items()) if time.monotonic() - since > settings.job_timeout + 30]
        if late:
            hung = {"code": "timeout", "message": "The job hung and was stopped.", "hint": "Try another engine."}
            with contextlib.suppress(Exception):
                _fail(queue, late[0], hung)
            os._exit(70)  # a hung engine cannot be stopped from inside; whoever started us starts us again


def _fail(queue: JobQueue, uid: str, error: Row) -> None:
    """End an open job from outside, with everything that it left behind."""
    if queue.records.finish(uid, "failed", error=error, files=[]):
        job = queue.records.by_uid(uid)
        if job is not None:
            queue.storage.forget(job["prefix"])
            queue.announce(job)


def _give_up(queue: JobQueue) -> None:
    """Fail the jobs that stopped their worker too often."""
    lost = {"MAX_RECOVERY_ATTEMPTS_EXCEEDED": f"The job stopped its worker {RUNS} times and was given up."}
    lost["ERROR"] = "The server could not run the job."
    found = queue.client.list_workflows(name=WORKFLOW, status=list(lost), load_input=False, load_output=False)
    status = {workflow.workflow_id: workflow.status for workflow in found}
    for uid in queue.records.open_uids().intersection(status):
        crashed = status[uid] != "ERROR"
        hint = "Try another picture or fewer outputs." if crashed else "Send it again; the server's log says why."
        _fail(queue, uid, {"code": "crashed" if crashed else "internal", "message": lost[status[uid]], "hint": hint})


class Dropped:
    """Finds jobs that the queue believes to run here and that do not: their outcome could not be written down when
    they ended, because the disk was full or the database away."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._suspects: set[str] = set()

    def tick(self, queue: JobQueue) -> None:
        """Queue again what was suspected the last time and still does not run."""
        pending = queue.client.list_workflows(
            name=WORKFLOW, status="PENDING", executor_id=self._name, load_input=False, load_output=False
        )
        idle = {workflow.workflow_id for workflow in pending} - _running
        for uid in idle & self._suspects:
            queue.client.resume_workflow(uid, queue_name=QUEUE)
            log.warning("took up a job that was dropped", uid=uid)
        self._suspects = idle - self._suspects


def clean(queue: JobQueue, settings: Settings) -> int:
    """Delete jobs, files and uploads past their keeping time; may be stopped anywhere and run again."""
    before = time.time() - settings.retention_days * 86400
    count = 0
    while expired := queue.records.expired(before):
        for job in expired:
            queue.delete(job)
            count += 1
    while old := queue.records.old_uploads(before):
        for upload in old:
            queue.storage.delete([upload["file"]])
            queue.records.take_upload(upload["id"], upload["key_id"])
    return count


def run(settings: Settings) -> None:
    """Run jobs until SIGTERM or SIGINT; the job in hand is finished first (30 s at most)."""
    os.umask(0o077)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.data_dir / f"worker-{settings.worker}.lock")  # held for life
    try:
        lock.acquire(timeout=10)
    except Timeout:
        raise SystemExit(
            f"A worker named {settings.worker!r} is running already; set ORBITVIEW_WORKER to another name."
        ) from None
    configure(settings)
    queue = _state["queue"] = JobQueue(settings)
    config: DBOSConfig = {
        "name": APPLICATION,
        "executor_id": settings.worker,
        "application_version": VERSION,
        "log_level": "ERROR",
    }
    if settings.database.startswith("sqlite"):
        config["system_database_engine"] = queue.engine
    else:
        config["system_database_url"] = settings.database
    instance = DBOS(config=config)
    DBOS.listen_queues([QUEUE, BATCHES, WEBHOOKS, EARLIER])
    DBOS.launch()
    queue.records.beat(settings.worker)  # before the first job: one who dies with it must have been heard of
    choose_partition(instance, QUEUE, _longest_waiting)
    DBOS.register_queue(QUEUE, worker_concurrency=1, partition_worker_concurrency=1, polling_interval_sec=0.03)
    choose_partition(instance, BATCHES, _longest_waiting)
    threading.Thread(target=_run_batches, args=(settings,), daemon=True).start()
    # A key whose receivers are slow has four of the sixteen slots, and no more.
    DBOS.register_queue(WEBHOOKS, worker_concurrency=16, partition_worker_concurrency=4, polling_interval_sec=0.2)
    DBOS.register_queue(EARLIER, worker_concurrency=8, polling_interval_sec=1.0)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: _stop.set())
    sweeper = threading.Thread(target=_sweep, args=(_stop, settings), daemon=True)
    sweeper.start()
    log.info("ready", worker=settings.worker)
    parent = os.environ.get("ORBITVIEW_PARENT")  # told, not asked: it may be gone before we could ask
    while not _stop.wait(0.5):
        if parent and os.getppid() != int(parent):
            _stop.set()  # the API that started us is gone
    leave(queue)


def _run_batches(settings: Settings) -> None:
    """Listen to the queue of jobs that run together once the engines have said how many; other jobs need not wait."""
    DBOS.register_queue(BATCHES, **at_once(settings), polling_interval_sec=0.03)


def leave(queue: JobQueue, seconds: float = 30.0) -> None:
    """Finish the job in hand within ``seconds``, or hand it back for whoever comes next, and end the process."""
    DBOS.destroy(workflow_completion_timeout_sec=int(seconds))
    for uid in list(_running):
        with contextlib.suppress(Exception):
            queue.client.resume_workflow(uid, queue_name=QUEUE)
            log.warning("handed a job back", uid=uid)
    with contextlib.suppress(Exception):
        queue.close()
    log.info("stopped")
    os._exit(0)  # an engine's thread may still run, and would be waited for
