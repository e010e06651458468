"""How many times faster ``moments`` is than ``plain``, by block. Written by benchmarks/training_blocks.py."""

# (operation, stride, branches, in channels, out channels, gain)
MEASURED: tuple[tuple[str, int, int, int, int, float], ...] = (
    ("dense", 2, 1, 3, 48, 1.8),
    ("pointwise", 1, 4, 128, 128, 2.5),
    ("pointwise", 1, 1, 512, 1280, 0.5),
)
