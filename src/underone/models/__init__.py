"""Backbones, heads, and the table of names."""
