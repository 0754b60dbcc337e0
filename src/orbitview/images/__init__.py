"""Pictures in: safe decoding, cutting the object out."""

from .decode import ImageInput, load_image
from .matte import Matte, cut_out

__all__ = ["ImageInput", "Matte", "cut_out", "load_image"]
