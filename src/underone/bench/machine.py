"""Describe the machine, so that numbers of different machines are never mixed up."""

import hashlib
import os
import platform
from pathlib import Path

from ..spec import Frozen


class Machine(Frozen):
    """What a measurement ran on.

    Attributes:
        cpu: model name as the processor gives it.
        cores: processors that this process may use.
        features: instruction sets that decide how fast kernels can be.
        memory_gb: main memory in 10⁹ bytes.
        os: system and kernel release.
        governor: frequency governor, or "unknown".
        virtual: whether a hypervisor is beneath.
    """

    cpu: str
    cores: int
    features: tuple[str, ...]
    memory_gb: float
    os: str
    governor: str
    virtual: bool

    @property
    def fingerprint(self) -> str:
        """Eight hex digits of everything above but the memory, whose reading wavers."""
        fixed = (self.cpu, self.cores, self.features, self.os, self.governor, self.virtual)
        return hashlib.sha256(repr(fixed).encode()).hexdigest()[:8]

    def __str__(self) -> str:
        kind = "virtual machine" if self.virtual else "machine"
        return f"{self.cores} cores of {self.cpu} ({', '.join(self.features) or 'no SIMD known'}), {kind}, {self.os}"


_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "asimd", "asimddp")


def describe() -> Machine:
    """Describe this machine now."""
    cpuinfo = _read("/proc/cpuinfo")
    flags = set(_field(cpuinfo, "flags").split()) | set(_field(cpuinfo, "Features").split())
    return Machine(
        cpu=_field(cpuinfo, "model name") or platform.processor() or platform.machine(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        features=tuple(f for f in _FEATURES if f in flags),
        memory_gb=round(_memory_bytes() / 1e9, 1),
        os=f"{platform.system()} {platform.release()}",
        governor=_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or "unknown",
        virtual="hypervisor" in flags,
    )


def _memory_bytes() -> int:
    if "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
