"""The native engine's compiler: a Graph becomes the steps of a compiled plan."""
