"""Scores ctcpmon's verdicts against labelled captures: ``python -m tests.score FOLDER``."""
