"""Pictures in: safe decoding, cutting the object out, centring it."""

from .cutout import cut_out, matting_ready
from .decode import ImageInput, load_image
from .figures import split_figures
from .matte import CutOut, Matte, Objects, find_cut_out
from .square import centred
from .text import decode_base64
from .upscale import UPSCALE_MODELS, upscale, upscale_ready

__all__ = [
    "UPSCALE_MODELS",
    "CutOut",
    "ImageInput",
    "Matte",
    "Objects",
    "centred",
    "cut_out",
    "decode_base64",
    "find_cut_out",
    "load_image",
    "matting_ready",
    "split_figures",
    "upscale",
    "upscale_ready",
]
