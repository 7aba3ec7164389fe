"""The quiet look: one accent, calm spacing, fonts that render bold without a network, and the style sheet."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE_PATH = Path(__file__).with_name("style.css")
ICON_PATH = Path(__file__).parents[2] / "assets" / "icon.png"


SANS, MONO = "Source Sans Pro", "IBM Plex Mono"
LOOK = {
    "body_background_fill": "*neutral_50",
    "body_background_fill_dark": "*neutral_950",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_border_color": "*neutral_200",
    "block_border_color_dark": "*neutral_800",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_title_text_weight": "700",
    "block_label_text_weight": "700",
    "block_title_text_color": "*neutral_600",
    "block_title_text_color_dark": "*neutral_300",
    "block_info_text_color": "*neutral_600",
    "block_info_text_color_dark": "*neutral_400",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "button_primary_background_fill": "*primary_700",
    "button_primary_background_fill_hover": "*primary_800",
    "button_primary_background_fill_dark": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_600",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_dark": "*neutral_800",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "*neutral_700",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "*neutral_600",
    "button_secondary_text_color": "*neutral_800",
    "button_secondary_text_color_dark": "*neutral_100",
    "input_background_fill": "white",
    "input_background_fill_dark": "*neutral_800",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "*neutral_600",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "block_label_text_color": "*neutral_600",
    "block_label_text_color_dark": "*neutral_300",
    "button_large_text_weight": "700",
    "button_small_text_weight": "400",
    "button_cancel_background_fill": "white",
    "button_cancel_background_fill_dark": "*neutral_800",
    "button_cancel_background_fill_hover": "#fee2e2",
    "button_cancel_background_fill_hover_dark": "#450a0a",
    "button_cancel_text_color": "#b91c1c",
    "button_cancel_text_color_dark": "#fca5a5",
    "button_cancel_border_color": "#b91c1c",
    "button_cancel_border_color_dark": "#fca5a5",
    "button_border_width": "1px",
    "color_accent": "*primary_700",
}


def build_theme() -> gr.themes.Base:
    """Weights 400 and 700 only: the bundled 600 files have no ASCII letters."""
    sans, mono = (gr.themes.LocalFont(name, weights=(400, 700)) for name in (SANS, MONO))
    theme = gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=[sans, "ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=[mono, "ui-monospace", "Consolas", "monospace"],
    )
    return theme.set(**LOOK)
