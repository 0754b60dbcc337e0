"""Views out: grid, maps, turntables, GLB, camera files, zip."""

from .files import FORMATS, TURNTABLES, save_views, write_format, zip_folder
from .grid import make_grid, over, parse_background
from .maps import depth_picture, normal_picture
from .mesh import write_glb
from .poses import transforms_json, views_json
from .turntable import turntable_sheet, write_turntable

__all__ = [
    "FORMATS",
    "TURNTABLES",
    "depth_picture",
    "make_grid",
    "normal_picture",
    "over",
    "parse_background",
    "save_views",
    "transforms_json",
    "turntable_sheet",
    "views_json",
    "write_format",
    "write_glb",
    "write_turntable",
    "zip_folder",
]
