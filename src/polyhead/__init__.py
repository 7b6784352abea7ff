"""Polyhead: one sentence encoder, many heads."""
