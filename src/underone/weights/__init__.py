"""Trained weights: store, hub, key maps."""
