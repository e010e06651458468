"""Pictures side by side on one page."""

from collections.abc import Iterable, Sequence
from itertools import islice

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .read import Pixels

_TEXT, _WIDTH, _MOST = 22, 1280, 32  # pixels, pixels, tiles
_LETTER = 7  # pixels of one on average


def sheet(
    pictures: Iterable[Pixels], texts: Sequence[str], wrong: Sequence[bool] = (), tile: tuple[int, int] = (160, 160)
) -> Image.Image:
    """Put pictures side by side with a line under each; red where `wrong` says so.

    Args:
        pictures: uint8 (H, W, 3) of any size, one or more; 32 are shown. A generator is held one picture at a time.
        texts: one for each.
        wrong: for each; (): none is.
        tile: (width, height) in pixels that a picture is fitted into.
    """
    shown = islice(zip(pictures, texts, wrong or [False] * len(texts), strict=False), _MOST)
    count = min(len(texts), _MOST)
    (across, down), columns = tile, max(1, _WIDTH // tile[0])
    rows = -(-count // columns)
    page = Image.new("RGB", (min(count, columns) * across, rows * (down + _TEXT)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, (pixels, text, bad) in enumerate(shown):
        x, y = number % columns * across, number // columns * (down + _TEXT)
        fitted = ImageOps.contain(Image.fromarray(pixels), (across - 4, down - 4))
        page.paste(fitted, (x + (across - fitted.width) // 2, y + (down - fitted.height) // 2))
        draw.text((x + 4, y + down + 2), text[: across // _LETTER], "#b91c1c" if bad else "#111827", font)
    return page
