"""Colours of plots and film strips: Okabe and Ito's set, which people with any colour vision can tell apart."""

from __future__ import annotations

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#6a5acd")
# the same hues, lighter: photographs and dark pages swallow the darker ones
BRIGHT_SERIES = ("#3fa7f0", "#ff7a2f", "#2fd6a3", "#ef9fcb", "#ffc13b", "#8ed3ff", "#d0a765", "#a79bff")
DASHES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

INK = "#1b1f24"
MUTED = "#6b7280"
GRID = "#d9dde3"
UNCERTAIN = "#f0c05a"
LOST = "#c65f5f"
ABSENT = "#9aa3ad"

_PAGE_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    UNCERTAIN: "var(--uncertain)",
    LOST: "var(--lost)",
    ABSENT: "var(--absent)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(SERIES)},
}


def series_colour(index: int) -> str:
    """The colour of the tracker at this place of the ranking; colours come round again after eight."""
    return SERIES[index % len(SERIES)]


def film_colour(index: int) -> str:
    """The colour that stands for ``series_colour(index)`` in a picture."""
    return BRIGHT_SERIES[index % len(BRIGHT_SERIES)]


def series_dash(index: int) -> str:
    """The dash pattern that tells a line from its neighbours without any colour."""
    return DASHES[index % len(DASHES)]


def series_marker(index: int) -> str:
    """The mark that tells a point from its neighbours without any colour."""
    return MARKERS[index % len(MARKERS)]


def with_page_colours(svg: str) -> str:
    """An SVG whose colours follow the page's style sheet, and so its light or dark scheme."""
    for colour, variable in _PAGE_COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg


def style_sheet() -> str:
    """CSS that defines the variables of ``with_page_colours`` for the trackers, in a light and a dark scheme."""
    light, dark = (
        " ".join(f"--series-{index}: {colour};" for index, colour in enumerate(colours))
        for colours in (SERIES, BRIGHT_SERIES)
    )
    film = " ".join(f"--film-{index}: {colour};" for index, colour in enumerate(BRIGHT_SERIES))
    return f":root {{ {light} {film} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def bgr(colour: str) -> tuple[int, int, int]:
    """A ``#rrggbb`` colour as OpenCV wants it."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)
