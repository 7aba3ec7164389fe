"""Taskloom's browser interface: Gradio screens over functions of `core`; holds no engine logic and no torch."""
