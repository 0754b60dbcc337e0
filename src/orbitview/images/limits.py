"""What is read, and how large."""

from __future__ import annotations

MAX_BYTES = 50 * 2**20
MAX_PIXELS = 64 * 10**6
"""Larger pictures are refused before a pixel is decoded, but for JPEGs, which decode to an eighth of their size."""
MIN_SIDE = 8
WORKING_SIDE = 2048
"""Pictures are brought down to this longest side; no output is larger."""
MOST_PICTURES = 8
"""Of one object."""
HINT = "Send a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF picture of one object."
