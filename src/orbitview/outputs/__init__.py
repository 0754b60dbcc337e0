"""Views out: grid, maps, turntables, spins, meshes, data sets, zip."""

from ..formats import FORMATS, GEOMETRY, MESHES, TURNS
from ..grid import make_grid, over, parse_background
from .files import save_views, write_format, zip_folder
from .maps import depth_picture, metric_depth_picture, normal_picture
from .options import OutputOptions, output_options, parse_length
from .poses import split_transforms, transforms_json, views_json
from .turntable import turntable_frames, turntable_sheet, write_turn, write_turntable

__all__ = [
    "FORMATS",
    "GEOMETRY",
    "MESHES",
    "TURNS",
    "OutputOptions",
    "depth_picture",
    "make_grid",
    "metric_depth_picture",
    "normal_picture",
    "output_options",
    "over",
    "parse_background",
    "parse_length",
    "save_views",
    "split_transforms",
    "transforms_json",
    "turntable_frames",
    "turntable_sheet",
    "views_json",
    "write_format",
    "write_turn",
    "write_turntable",
    "zip_folder",
]
