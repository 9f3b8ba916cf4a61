"""Finders of personal data, one kind or family of kinds a file; `training/redact.py` puts them together."""
