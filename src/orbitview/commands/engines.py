"""``orbitview engines``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InvalidRequest, OrbitviewError
from .console import say, show_table

if TYPE_CHECKING:
    from ..engines.weights import Weights

app = typer.Typer(help="List the engines and whether each can run here; fetch the weights of further ones.")


@app.callback(invoke_without_command=True)
def list_engines(context: typer.Context) -> None:
    """List the engines and whether each can run here."""
    if context.invoked_subcommand:
        return
    from ..engines import engine_names, get_engine
    from ..engines.registry import load_engine

    rows: list[tuple[str, ...]] = []
    chosen = get_engine("auto").info.name
    for name in engine_names():
        engine = load_engine(name)
        state = engine.readiness()
        ready = ("yes" + (" (auto)" if name == chosen else "")) if state.ready else f"no: {state.reason}. {state.hint}"
        rows.append((name, ready, ", ".join(sorted(engine.info.features)), engine.info.licence, engine.info.summary))
    show_table("engine", "ready", "honours", "licence", "what it is", rows=rows)


@app.command("pull")
def pull_weights(
    name: Annotated[str, typer.Argument(help="mvadapter, mvadapter-sd21, triposr, zero123plus or zero123plus-v1.1.")],
    accept_license: Annotated[bool, typer.Option("--accept-license", help="I accept the weights' licence.")] = False,
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch; else the engine's own.")] = None,
) -> None:
    """Fetch an engine's weights, check them and note their SHA-256."""
    from ..engines.weights import pull

    weights = _weights_of(name)
    say(f"Licence of the weights of {name}: {weights.licence}")
    folder = pull(weights, accept=accept_license, revision=revision)
    say(f"{name} is ready; its weights are in {folder}", "green", "✓")


@app.command("verify")
def verify(name: str) -> None:
    """Compare an engine's weights with what was pulled."""
    from ..engines.weights import changed

    weights = _weights_of(name)
    weights.require()
    wrong = changed(weights)
    if wrong:
        raise OrbitviewError(f"Changed since they were pulled: {', '.join(wrong)}.", hint="Pull them again.")
    say(f"the weights of {name} are as they were pulled", "green", "✓")


def _weights_of(name: str) -> Weights:
    """Raises InvalidRequest: the engine brings its own."""
    from ..engines.registry import load_engine
    from ..engines.weights import Weights

    weights = getattr(load_engine(name), "weights", None)
    if not isinstance(weights, Weights):
        raise InvalidRequest(f"The engine {name} has no weights to fetch or verify.", hint="See: orbitview engines.")
    return weights
