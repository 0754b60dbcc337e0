"""Draw the rigs from above: ``python docs/images/draw.py``."""

from __future__ import annotations

import math
from pathlib import Path

from orbitview.cameras import rig

NAMES = ("zero123plus-v1.2", "zero123plus-v1.1", "mvadapter-6", "sides-4", "orbit-8@20", "syncdreamer-16")


def colour(elevation: float) -> str:
    """Warm above the horizon, cool below."""
    return "#6b7280" if elevation == 0 else f"hsl({35 if elevation > 0 else 215} 85% {60 - abs(elevation) * 0.6:.0f}%)"


def drawing(name: str) -> str:
    """An SVG of the cameras of one rig; the picture's own camera is below."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-130 -130 260 260" width="180" height="180" '
        'font-family="sans-serif" font-size="13" text-anchor="middle">',
        '<rect x="-130" y="-130" width="260" height="260" rx="14" fill="#f4f5f8"/>',
        '<circle r="92" fill="none" stroke="#c3c8d2" stroke-dasharray="4 5"/>',
        '<rect x="-22" y="-22" width="44" height="44" rx="8" fill="#1d4fd7"/>',
        '<path d="M0 70 L-9 86 L9 86 Z" fill="#1a1e27"/>',
    ]
    for number, camera in enumerate(rig(name), 1):
        angle = math.radians(camera.azimuth)
        x, y = 104 * math.sin(angle), 104 * math.cos(angle)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="13" fill="{colour(camera.elevation)}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 4.5:.1f}" fill="#fff">{number}</text>')
    return "\n".join([*parts, "</svg>"])


if __name__ == "__main__":
    for name in NAMES:
        (Path(__file__).parent / f"rig-{name}.svg").write_text(drawing(name) + "\n")
