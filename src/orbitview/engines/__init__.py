"""Engines: ways from one picture to views."""

from .base import Engine, EngineInfo, EngineRequest, Feature, Progress, Readiness, Scene, no_progress
from .registry import engine_names, get_engine

__all__ = [
    "Engine",
    "EngineInfo",
    "EngineRequest",
    "Feature",
    "Progress",
    "Readiness",
    "Scene",
    "engine_names",
    "get_engine",
    "no_progress",
]
