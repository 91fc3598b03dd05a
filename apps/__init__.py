"""The web apps: the only place that knows Gradio and Streamlit. What they show and do comes from the rooms below.

In the wheel this folder is ``workbench/_apps``, so modules of one app name each other relatively.
"""
