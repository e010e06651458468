"""ExecuTorch with XNNPACK: torch.export → .pte."""

from importlib.metadata import version
from pathlib import Path

from serve import serve


def convert(path):
    target = Path(path).with_suffix(".pte")
    if not target.exists():
        from underone.formats.executorch.worker import write

        write(Path(path), target)
    return target


def load(path, precision, threads, engine):
    if precision != "float32":
        raise SystemExit(f"{engine} has no {precision} on this processor")
    file = convert(path)
    import torch
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    from executorch.runtime import Runtime

    _unsafe_reset_threadpool(threads)  # it takes every core otherwise
    torch.set_num_threads(threads)
    method = Runtime.get().load_program(file).load_method("forward")

    def run(image):
        return method.execute([torch.from_numpy(image)])[0].numpy()

    return run, {"executorch": version("executorch")}


serve(load)
