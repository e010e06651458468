"""The instruction sets the kernels are compiled for: one row each, read by every kernel."""

from dataclasses import dataclass

import halide as hl

QUIET = "no_runtime-no_asserts-no_bounds_query"


@dataclass(frozen=True)
class Isa:
    """One target: Halide's name for it, float lanes of a register, and register tiles of the matrix product."""

    name: str
    target: str
    lanes: int
    # (pixels, channels) of the sums in registers. The first whose channels divide a layer's is taken: the last have 16.
    tiles: tuple[tuple[int, int], ...]

    @property
    def halide(self) -> hl.Target:
        """Halide's target: no runtime, no checks; the plan checks shapes."""
        return hl.Target(f"{self.target}-{QUIET}")


X86 = "x86-64-linux-sse41-avx-f16c-fma-avx2"
ISAS = {
    isa.name: isa
    for isa in (
        Isa("avx2", X86, 8, ((6, 16), (3, 16))),
        Isa("avx512", f"{X86}-avx512-avx512_skylake", 16, ((14, 32), (7, 32), (9, 48), (14, 16), (7, 16))),
        Isa("neon", "arm-64-linux-arm_dot_prod", 4, ((5, 16), (3, 16))),  # tiles not measured
        Isa("wasm", "wasm-32-wasmrt-wasm_simd128", 4, ((3, 16),)),  # tiles not measured
    )
}
BLOCK = 16  # channels that lie side by side in a feature map
