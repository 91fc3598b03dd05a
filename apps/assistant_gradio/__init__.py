"""The finished assistant as a web page, with Gradio: ``python -m apps.assistant_gradio MODEL``."""
