"""Groups of commands of the command line."""

from .engines import app as engines_app
from .keys import app as keys_app

__all__ = ["engines_app", "keys_app"]
