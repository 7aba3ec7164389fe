"""Starts the workbench in the browser: python app.py [--host HOST] [--port 7860] [--workspace DIR] [--shared]."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from app.frame.serve import launch, open_context, parse_arguments
from app.frame.workbench import build_workbench

arguments = parse_arguments()
context = open_context(arguments)
demo = build_workbench(context)

if __name__ == "__main__":
    launch(demo, arguments, context)
