"""Draw an answer on a picture, with Pillow alone."""

import unicodedata
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from .read import Pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Color = tuple[int, int, int]

_SHORT, _LONG = 480, 960  # px: a picture is enlarged to the first and shrunk to the second
_PANEL: Color = (20, 23, 28)
_TRACK: Color = (46, 51, 60)
_BEST: Color = (64, 196, 160)
_OTHER: Color = (112, 124, 143)
_BRIGHT: Color = (245, 247, 250)
_DIM: Color = (176, 185, 198)
_WIDE_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "segoeui.ttf", "Arial Unicode.ttf", "Arial.ttf")
_SMOOTH = 4  # bars are drawn this much larger: Pillow draws corners without antialiasing


def draw_classification(picture: Pixels, best: Sequence[tuple[str, float]]) -> Image.Image:
    """Draw the best classes in a panel under a picture.

    Small pictures are enlarged and large ones shrunk, so that the text has the same weight beside any of them. Names
    that are too long end in an ellipsis. The font is Pillow's own where plain letters do, else a usual one of the
    system; where there is none, letters lose their accents.

    Args:
        picture: uint8 (H, W, 3) RGB.
        best: (name, score from 0 to 1), best first.

    Returns:
        An RGB picture, wider than high or not, at least 480 px wide.
    """
    shown = scaled(Image.fromarray(picture))
    width = max(shown.width, _SHORT)
    panel = _panel(width, best)
    card = Image.new("RGB", (width, shown.height + panel.height), _PANEL)
    card.paste(shown, ((width - shown.width) // 2, 0))
    card.paste(panel, (0, shown.height))
    return card


def percent(score: float) -> str:
    """Write a score as people read it; what is not nothing never looks like it.

    >>> percent(0.987), percent(0.0001), percent(0.0)
    ('98.7%', '<0.1%', '0.0%')
    """
    return "<0.1%" if 0 < score < 0.0005 else f"{score:.1%}"


def scaled(picture: Image.Image) -> Image.Image:
    """Enlarge a small picture and shrink a large one, so that text beside it has the same weight on all of them."""
    short, long = sorted(picture.size)
    scale = min(_LONG / long, max(1.0, _SHORT / short))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _panel(width: int, best: Sequence[tuple[str, float]]) -> Image.Image:
    text = round(14 + width / 120)  # px; 18 at 480, 22 at 960
    row, margin = round(1.75 * text), round(1.1 * text)
    font, names = readable([name for name, _ in best], text)
    names = [_fitted(name, font, 0.46 * width) for name in names]
    percents = [percent(score) for _, score in best]
    left = margin + max(font.getlength(n) for n in names) + 0.8 * text
    right = width - margin - font.getlength("100.0%") - 0.6 * text
    panel = _bars((width, 2 * margin + row * len(best)), (left, right), (margin, row), [score for _, score in best])
    draw = ImageDraw.Draw(panel)
    for i, (name, share) in enumerate(zip(names, percents, strict=True)):
        middle = margin + (i + 0.5) * row
        color = _DIM if i else _BRIGHT
        draw.text((margin, middle), name, color, font, anchor="lm")
        draw.text((width - margin, middle), share, color, font, anchor="rm")
    return panel


def _bars(
    size: tuple[int, int], span: tuple[float, float], rows: tuple[int, int], scores: Sequence[float]
) -> Image.Image:
    """Draw one bar a row between the two x of `span`; `rows` is (first y, height)."""
    large = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), _PANEL)
    draw = ImageDraw.Draw(large)
    (left, right), (top, row) = span, rows
    half = row / 7
    for i, score in enumerate(scores):
        middle = top + (i + 0.5) * row
        for share, color in ((1.0, _TRACK), (score, _OTHER if i else _BEST)):
            length = (right - left) * share
            box = [_SMOOTH * v for v in (left, middle - half, left + length, middle + half)]
            draw.rounded_rectangle(box, _SMOOTH * min(half, length / 2), color)
    return large.resize(size, Image.Resampling.BOX)


def readable(names: list[str], size: int) -> tuple[Font, list[str]]:
    """Return a font of `size` pixels that has the letters of all names, and the names as it can show them."""
    if all(map(str.isascii, names)):
        return ImageFont.load_default(size), names
    for file in _WIDE_FONTS:
        try:
            return ImageFont.truetype(file, size), names
        except OSError:
            continue
    plain = [unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode() for name in names]
    return ImageFont.load_default(size), plain


def _fitted(name: str, font: Font, width: float) -> str:
    if font.getlength(name) <= width:
        return name
    kept = next(n for n in range(len(name) - 1, -1, -1) if font.getlength(name[:n].rstrip() + "…") <= width)
    return name[:kept].rstrip() + "…"
