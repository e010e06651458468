"""Torch building blocks and the folding algebra."""
