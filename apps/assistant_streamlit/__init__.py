"""The finished assistant as a web page, with Streamlit: ``python -m apps.assistant_streamlit MODEL``."""
