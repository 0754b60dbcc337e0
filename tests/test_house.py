"""How the package is built: imports point down, and one place names the formats."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import anyio

ROOT = Path(__file__).parent.parent


def modules(package: Path) -> dict[str, Path]:
    """Files by dotted name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, known: set[str]) -> set[str]:
    """Modules of the package that a module imports anywhere, but for hints of types alone.

    What comes out of a package's ``__init__`` counts as the package.
    """
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text())
    hints = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hints:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                full = f"{source}.{alias.name}"
                found |= {full} if full in known else {source} & known
    return found - {name}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for after in graph[node]:
            if after not in index:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], index[after])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_no_module_imports_in_a_circle() -> None:
    """Package, training and benchmarks together; the package needs neither of the others."""
    known = {
        name: path for part in ("src/orbitview", "training", "bench") for name, path in modules(ROOT / part).items()
    }
    graph = {name: imports_of(name, path, set(known)) for name, path in known.items()}
    for name, wanted in graph.items():
        wanted.discard("orbitview")  # the face loads its clients on first use, and everything may ask for the version
        if name.startswith("orbitview"):
            assert all(other.startswith("orbitview") for other in wanted), f"{name} needs {wanted}"
    assert circles(graph) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_one_place_says_which_formats_exist() -> None:
    """Command line, REST, agents and page name what ``orbitview.formats`` names, and nothing else."""
    from orbitview.config import Settings
    from orbitview.formats import ABOUT, FORMATS
    from orbitview.mcp.server import build
    from orbitview.server.app import create_app

    assert tuple(ABOUT) == FORMATS
    schema = create_app(Settings(data_dir=Path("unused"))).openapi()["components"]["schemas"]["ViewsRequest"]
    assert tuple(schema["properties"]["formats"]["items"]["enum"]) == FORMATS
    tools = anyio.run(build(lambda _: None, [], jobs=False).list_tools)  # type: ignore[arg-type,return-value]
    (make,) = (tool for tool in tools if tool.name == "make_views")
    assert tuple(make.input_schema["properties"]["formats"]["items"]["enum"]) == FORMATS
    for path in (ROOT / "src/orbitview/server/web").glob("*.html"):
        assert 'name="formats"' not in path.read_text()  # the page asks GET /v1/formats
    shown = subprocess.run(
        [sys.executable, "-m", "orbitview.cli", "generate", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    shown = re.sub(r"-\n\s+", "-", shown)  # names broken at their hyphens
    assert all(re.search(rf"\b{re.escape(name)}\b", shown) for name in FORMATS)
    names = {f'"{name}"' for name in FORMATS if "-" in name}
    for path in (ROOT / "src/orbitview").rglob("*.py"):
        if path.name not in ("formats.py", "files.py", "generate.py", "prints.py", "mesh.py"):
            assert not any(name in path.read_text() for name in names), f"{path} has a list of its own"
