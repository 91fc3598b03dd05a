"""``python -m apps.assistant_gradio MODEL``: see ``--help``."""

from .app import main

main()
