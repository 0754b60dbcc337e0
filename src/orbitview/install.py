"""What to type to get an optional part, true for the way in which orbitview itself was installed."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution


def how_to_install(extra: str) -> str:
    """The pip command for an extra, such as ``diffusion``.

    Somebody who cloned the repository has ``.`` to install from; PyPI need not know the name. Where pip noted another
    origin (PEP 610: a folder, a repository, a wheel), that origin is named again.
    """
    try:
        noted = distribution("orbitview").read_text("direct_url.json")
    except PackageNotFoundError:
        noted = None
    origin = json.loads(noted) if noted else {}
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        return f"pip install 'orbitview[{extra}] @ {origin['vcs_info'].get('vcs', 'git')}+{url}'"
    if "dir_info" in origin:
        return f"pip install '.[{extra}]' (in the folder of orbitview's source)"
    if url:
        return f"pip install '{url.rsplit('/', 1)[-1]}[{extra}]' (where that wheel lies)"
    return f"pip install 'orbitview[{extra}]'"
