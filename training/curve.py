"""The log of training as a picture: ``python -m training.curve log.jsonl OUT.svg``.

The volumes' IoU on the validation objects against the samples seen: with the camera told, and without.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

WIDE, TALL, LEFT, UNDER = 620, 300, 54, 46
LINES = (("iou_told", "#1d4fd7", "camera told"), ("iou_blind", "#d97706", "camera not told"))


def drawing(log: list[dict[str, Any]]) -> str:
    """An SVG of the lines of a ``log.jsonl``."""
    most = max(line["samples"] for line in log)
    low, high = 0.2, 0.1 * int(10 * max(line["val"][key] for line in log for key, _, _ in LINES) + 1)

    def at(samples: float, iou: float) -> tuple[float, float]:
        x = LEFT + samples / most * (WIDE - LEFT - 20)
        return round(x, 1), round(TALL - UNDER - (iou - low) / (high - low) * (TALL - UNDER - 16), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {TALL}" width="{WIDE}" height="{TALL}" '
        'font-family="sans-serif" font-size="12" fill="#1a1e27">',
        f'<rect width="{WIDE}" height="{TALL}" rx="10" fill="#f4f5f8"/>',
    ]
    for tenth in range(round(low * 10), round(high * 10) + 1):
        x, y = at(0, tenth / 10)
        parts.append(f'<path d="M{x} {y} H{WIDE - 20}" stroke="#c3c8d2"/>')
        parts.append(f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{tenth / 10:.1f}</text>')
    for share in (0.25, 0.5, 0.75, 1):
        x, y = at(most * share, low)
        parts.append(f'<text x="{x}" y="{y + 18}" text-anchor="{"end" if share == 1 else "middle"}">')
        parts.append(f"{most * share:,.0f}</text>")
    parts.append(f'<text x="{LEFT}" y="{TALL - 8}">samples; validation IoU of the volumes</text>')
    for key, colour, title in LINES:
        points = [at(line["samples"], line["val"][key]) for line in log]
        path = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        x, y = points[-1]
        parts.append(f'<text x="{x}" y="{y + (-9 if key == "iou_told" else 20)}" text-anchor="end" fill="{colour}">')
        parts.append(f"{title}: {log[-1]['val'][key]:.3f}</text>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(given)
    log = [json.loads(line) for line in options.log.read_text().splitlines()]
    options.out.write_text(drawing(log))


if __name__ == "__main__":
    main()
