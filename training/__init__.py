"""Turns examples and transcripts into adapters, one step a file; `python -m training --help` lists the steps."""
