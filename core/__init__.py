"""Taskloom's engine: task files in, one small multi-task language model out. Knows no user interface."""

__version__ = "0.1.0"
