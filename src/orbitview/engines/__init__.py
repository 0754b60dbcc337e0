"""Engines: ways from one picture to views."""

from .base import Engine, EngineInfo, EngineRequest, Feature, OtherPicture, Progress, Readiness, Scene, no_progress
from .registry import describe_engines, engine_names, get_engine

__all__ = [
    "Engine",
    "EngineInfo",
    "EngineRequest",
    "Feature",
    "OtherPicture",
    "Progress",
    "Readiness",
    "Scene",
    "describe_engines",
    "engine_names",
    "get_engine",
    "no_progress",
]
