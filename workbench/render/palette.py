"""The one palette of all front ends. Knows colours and CSS variables; nothing of what is drawn with them.

The four colours are from Okabe and Ito's set for colour-blind readers ("Color Universal Design", 2008); only these
have a contrast of at least 3:1 both on white and on ``#111``. Text is never set in them: it takes the ground's tone.
"""

from __future__ import annotations

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"

LIGHT = {
    "bg": "#ffffff", "panel": "#f5f6f8", "fg": "#1b1b1b", "soft": "#595959", "rule": "#c9ccd1",
    "blue": BLUE, "vermillion": VERMILLION, "green": GREEN, "purple": PURPLE,
    "trained": "#dcecf7", "focus": "#1b1b1b",
}  # fmt: skip
DARK = {
    "bg": "#111111", "panel": "#1d1f22", "fg": "#ececec", "soft": "#b0b0b0", "rule": "#45494f",
    "blue": BLUE, "vermillion": VERMILLION, "green": GREEN, "purple": PURPLE,
    "trained": "#0b3550", "focus": "#ececec",
}  # fmt: skip

# Where a front end has a theme of its own, its word counts more than the system's.
_LIGHT_HOSTS = ('[data-jp-theme-light="true"]', ".gradio-container", ".vscode-light")
_DARK_HOSTS = ('[data-jp-theme-light="false"]', ".dark", ".vscode-dark")


def tones(dark: bool = False) -> dict[str, str]:
    """Return the colours by name, for the dark or the light ground."""
    return DARK if dark else LIGHT


def luminance(colour: str) -> float:
    """Return relative luminance of ``#rrggbb``, 0 to 1. Source: WCAG 2.2, "relative luminance"."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Return contrast of two colours, from 1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _variables(colours: dict[str, str], scheme: str) -> str:
    return f"color-scheme:{scheme};" + "".join(f"--wb-{name}:{value};" for name, value in colours.items())


def css() -> str:
    """Return the CSS variables of the class ``wb``: by the system's choice, a host's theme, or
    ``wb-light``/``wb-dark``."""
    light, dark = _variables(LIGHT, "light"), _variables(DARK, "dark")
    light_hosts = ",".join(f"{host} .wb:not(.wb-dark)" for host in _LIGHT_HOSTS)
    dark_hosts = ",".join(f"{host} .wb:not(.wb-light)" for host in _DARK_HOSTS)
    return (
        f".wb{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{.wb:not(.wb-light){{{dark}}}}}\n"
        f"{light_hosts}{{{light}}}\n{dark_hosts}{{{dark}}}\n.wb.wb-dark{{{dark}}}\n"
        f"@media print{{.wb.wb.wb.wb{{{light}}}}}\n"
    )
