"""``python -m apps.assistant_streamlit MODEL``: see ``--help``."""

from .app import main

main()
