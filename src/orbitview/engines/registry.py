"""Find engines by entry point, and pick one."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from typing import Any

from ..errors import EngineUnavailable
from .base import Engine, Feature

GROUP = "orbitview.engines"


@functools.cache
def load_engine(name: str) -> Engine:
    """The engine of that name, whether or not it is ready; loaded once."""
    for entry in entry_points(group=GROUP, name=name):
        engine = entry.load()()
        if not isinstance(engine, Engine):
            raise EngineUnavailable(
                f"The engine {name!r} does not fit the Engine protocol.", hint="Tell the plugin's author."
            )
        return engine
    raise EngineUnavailable(
        f"There is no engine named {name!r}.", hint=f"Engines here: auto, {', '.join(engine_names())}.", field="engine"
    )


@functools.cache
def _installed() -> tuple[str, ...]:
    """Looking through all packages takes milliseconds, too many for every request."""
    return tuple(sorted({entry.name for entry in entry_points(group=GROUP)}))


def engine_names() -> list[str]:
    """Names of all installed engines."""
    return list(_installed())


def best_engine(needs: Feature | None = None) -> Engine | None:
    """What ``"auto"`` means: the ready engine with the highest rank, of those that have what is needed."""
    listed = [engine for engine in map(load_engine, engine_names()) if needs is None or needs in engine.info.features]
    ready = [engine for engine in listed if engine.readiness().ready]
    return max(ready, key=lambda engine: engine.info.rank, default=None)


def get_engine(name: str = "auto", needs: Feature | None = None) -> Engine:
    """The engine of that name, loaded once; ``"auto"`` is the best one that is ready here.

    Args:
        needs: what it must honour.

    Raises:
        EngineUnavailable: unknown, without what is needed, or not ready (the hint says what is missing).
    """
    if name == "auto":
        best = best_engine(needs)
        if best is None:
            raise EngineUnavailable(
                "No engine is ready on this machine.", hint="Run: orbitview doctor.", field="engine"
            )
        return best
    engine = load_engine(name)
    state = engine.readiness()
    if not state.ready:
        raise EngineUnavailable(f"The engine {name!r} is not ready: {state.reason}.", hint=state.hint, field="engine")
    if needs is not None and needs not in engine.info.features:
        best = best_engine(needs)
        hint = f"Use {best.info.name}." if best else ""
        raise EngineUnavailable(f"The engine {name!r} makes no {needs}.", hint=hint, field="engine")
    return engine


def describe_engines() -> list[dict[str, Any]]:
    """What every installed engine says of itself, and whether it can run here; ready for JSON."""
    best, found = best_engine(), []
    for name in engine_names():
        engine = load_engine(name)
        state, info = engine.readiness(), engine.info
        found.append(
            {
                "name": name,
                "summary": info.summary,
                "licence": info.licence,
                "features": sorted(info.features),
                "rig": info.rig,
                "steps": info.steps,
                "most_steps": info.most_steps,
                "ready": state.ready,
                "auto": engine is best,
                "reason": state.reason,
                "hint": state.hint,
            }
        )
    return found
