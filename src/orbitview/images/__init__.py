"""Pictures in: safe decoding, cutting the object out, centring it."""

from .decode import ImageInput, load_image
from .matte import Matte, cut_out
from .square import centred
from .text import decode_base64

__all__ = ["ImageInput", "Matte", "centred", "cut_out", "decode_base64", "load_image"]
