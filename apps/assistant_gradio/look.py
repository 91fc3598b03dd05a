"""The palette and the type of the project, as Gradio wants them. Knows Gradio's themes; nothing of any page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from workbench.render.palette import BLUE, DARK, LIGHT

_FONTS = ("system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace")


def look(*styles: Path) -> dict[str, Any]:
    """The settings of ``launch`` for the look; fonts of the system, so that nothing is fetched."""
    theme = gr.themes.Base(
        font=[gr.themes.Font(name) for name in _FONTS],
        font_mono=[gr.themes.Font(name) for name in _MONO],
        radius_size="sm",
    ).set(
        button_primary_background_fill=BLUE,
        button_primary_background_fill_hover="#005a8e",
        button_primary_background_fill_dark=BLUE,
        button_primary_background_fill_hover_dark="#005a8e",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        slider_color=BLUE,
        slider_color_dark=BLUE,
        block_info_text_color=LIGHT["soft"],
        block_info_text_color_dark=DARK["soft"],
        body_text_color_subdued=LIGHT["soft"],
        body_text_color_subdued_dark=DARK["soft"],
        input_placeholder_color=LIGHT["soft"],
        input_placeholder_color_dark=DARK["soft"],
    )
    return {"theme": theme, "css_paths": [Path(__file__).parent / "page.css", *styles]}
