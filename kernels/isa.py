"""The instruction sets the kernels are compiled for: one row each, read by every kernel."""

from dataclasses import dataclass

import halide as hl

QUIET = "no_runtime-no_asserts-no_bounds_query"


@dataclass(frozen=True)
class Isa:
    """One target: Halide's name for it, and float lanes of a register."""

    name: str
    target: str
    lanes: int

    @property
    def halide(self) -> hl.Target:
        """Halide's target: no runtime, no checks; the plan checks shapes."""
        return hl.Target(f"{self.target}-{QUIET}")


X86 = "x86-64-linux-sse41-avx-f16c-fma-avx2"
ISAS = {
    isa.name: isa
    for isa in (
        Isa("avx2", X86, 8),
        Isa("avx512", f"{X86}-avx512-avx512_skylake", 16),
        Isa("neon", "arm-64-linux-arm_dot_prod", 4),
        Isa("wasm", "wasm-32-wasmrt-wasm_simd128", 4),
    )
}
BLOCK = 16  # channels that lie side by side in a feature map
