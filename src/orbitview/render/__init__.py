"""Rendering behind one small interface: Embree where its wheel exists, NumPy elsewhere."""

from .caster import make_caster
from .hits import Caster, Hits

__all__ = ["Caster", "Hits", "make_caster"]
