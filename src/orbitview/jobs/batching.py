"""Which jobs may run together, and how many of them a worker begins at once."""

from __future__ import annotations

from typing import Any

from ..config import Settings
from ..engines.registry import best_engine, engine_names, load_engine
from ..engines.together import most_together
from ..errors import OrbitviewError
from ..logs import get_logger

log = get_logger("orbitview.jobs")


def batches(engine: str) -> bool:
    """Whether an engine may run several requests together; unknown ones do not."""
    try:
        found = best_engine() if engine == "auto" else load_engine(engine)
    except OrbitviewError:
        return False
    return found is not None and "batch" in found.info.features


def at_once(settings: Settings) -> dict[str, Any]:
    """Limits of the queue of jobs that run together.

    Twice as many as fit a batch are begun, so that one batch is fetched and cut out while another is on the GPU, and
    so that one key, which may begin a batch, leaves room for others. Where nothing runs together, one is begun.
    """
    most = max((_most(name, settings) for name in engine_names()), default=1)
    return {"worker_concurrency": 1 if most == 1 else 2 * most, "partition_worker_concurrency": most}


def _most(name: str, settings: Settings) -> int:
    try:
        engine = load_engine(name)
        return most_together(engine, settings.batch) if engine.readiness().ready else 1
    except Exception as error:  # a plug-in that is broken must not keep the worker from running the others
        log.warning("engine left aside", engine=name, error=repr(error)[:300])
        return 1
