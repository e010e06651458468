"""Load a file and run it on an engine."""
