"""``orbitview upscale`` and ``orbitview cutout``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .parameters import AsJson

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..images import Objects
    from ..progress import Progress

Pictures = Annotated[
    list[str], typer.Argument(help="Pictures, folders of pictures, globs, or - for stdin.", metavar="IMAGE...")
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


def upscale(
    images: Pictures,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results, NAME-x2.png each. - is stdout.")
    ] = Path("orbitview-output"),
    scale: Annotated[int, typer.Option(help="2, 3 or 4 times as many pixels a side.")] = 2,
    model: Annotated[str, typer.Option(help="orbitview, or one of Real-ESRGAN's where it is installed.")] = "orbitview",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make pictures larger, transparency kept."""
    from ..images.upscale import check_upscale, upscale
    from .each import make_each
    from .pictures import find_pictures

    check_upscale(scale, model)

    def larger(picture: bytes, show: Progress) -> Image:
        return upscale(picture, scale, model=model, progress=show)

    make_each(find_pictures(images), out, f"x{scale}", larger, force=force, as_json=as_json)


def cutout(
    images: Pictures,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results, NAME-cutout.png or -mask.png each. - is stdout."),
    ] = Path("orbitview-output"),
    mask: Annotated[bool, typer.Option("--mask", help="The mask instead of the cut-out.")] = False,
    inverse: Annotated[bool, typer.Option("--inverse", help="The background instead of the object.")] = False,
    smooth: Annotated[bool, typer.Option("--smooth", help="A mask without half-tones, its outline smoothed.")] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Everything that stands out, instead of the main object alone.")
    ] = False,
    alpha_matting: Annotated[
        bool, typer.Option("--alpha-matting", help="Solve for hair and fur along the outline ([matting] extra).")
    ] = False,
    foreground_threshold: Annotated[
        int, typer.Option(help="Of alpha matting: certainly object above, 0 to 255.")
    ] = 240,
    background_threshold: Annotated[
        int, typer.Option(help="Of alpha matting: certainly background below, 0 to 255.")
    ] = 20,
    erode_size: Annotated[int, typer.Option(help="Of alpha matting: pixels by which both shrink first, 0 to 50.")] = 5,
    matte: Annotated[str, typer.Option(help="auto, alpha or none.")] = "auto",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Take the background of pictures away."""
    from ..images.cutout import check_cut_out, cut_out
    from .each import make_each
    from .pictures import find_pictures

    objects: Objects = "all" if all_ else "main"
    check_cut_out(objects, alpha_matting, foreground_threshold, background_threshold, erode_size, matte)

    def alone(picture: bytes, show: Progress) -> Image:
        show(0.0, "cut out")
        return cut_out(
            picture,
            matte,  # type: ignore[arg-type]  # checked
            objects=objects,
            only_mask=mask,
            inverse_mask=inverse,
            post_process_mask=smooth,
            alpha_matting=alpha_matting,
            alpha_matting_foreground_threshold=foreground_threshold,
            alpha_matting_background_threshold=background_threshold,
            alpha_matting_erode_size=erode_size,
        )

    make_each(find_pictures(images), out, "mask" if mask else "cutout", alone, force=force, as_json=as_json)
