"""Pictures as text in requests' bodies; the reader stood here before Python callers had it too."""

from ..images import decode_base64

__all__ = ["decode_base64"]
