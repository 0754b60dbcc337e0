"""One self-contained page that turns the object by dragging."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from importlib.resources import files
from pathlib import Path

from ..grid import over
from ..progress import Progress, no_progress
from ..view import Views
from .options import OutputOptions
from .turntable import turn_cameras, turntable_frames


def write_spin(views: Views, path: Path, options: OutputOptions, progress: Progress = no_progress) -> Path:
    """Write the page with every frame of every row inside it; it loads nothing and needs no server."""
    rows: list[list[str]] = []
    for row in range(len(options.elevations)):
        rows.append([])
        for frame in turntable_frames(views, options.turntable_size, turn_cameras(options, row), progress):
            buffer = io.BytesIO()
            over(frame, options.background).save(buffer, "WEBP", quality=82, method=4)
            rows[-1].append("data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode())
    page = files("orbitview.outputs").joinpath("spin.html").read_text(encoding="utf-8")
    marks = {
        "NAME": html.escape(options.object_name, quote=True),
        "SIZE": str(options.turntable_size),
        "FIRST": rows[0][0],
        "ROWS": json.dumps(rows),
        "AHEAD": "1" if options.direction == "clockwise" else "-1",
    }
    page = re.sub("%(NAME|SIZE|FIRST|ROWS|AHEAD)%", lambda mark: marks[mark[1]], page)
    path.write_text(page, encoding="utf-8")
    return path
