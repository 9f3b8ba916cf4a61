"""Understands a message: language, market adapter, intent, out-of-scope score, sentiment, entities."""
