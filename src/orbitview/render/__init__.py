"""Rendering behind one small interface: Embree where its wheel exists, NumPy elsewhere."""

from .caster import Caster, Hits, make_caster

__all__ = ["Caster", "Hits", "make_caster"]
