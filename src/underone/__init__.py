"""UnderOne: mobile vision networks from training to the shipped file, folded, verified and measured.

>>> import underone as uo
>>> model = uo.create_model("mobileone_s0")  # doctest: +SKIP
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# name → module; loaded at first use (PEP 562), so that `import underone` loads neither torch nor onnx
_PUBLIC = {
    "create_model": "zoo",
    "list_models": "zoo",
    "model_info": "zoo",
    "save_weights": "zoo",
    "reparameterize": "fold",
    "export": "formats",
    "export_bundle": "formats",
    "verify": "formats",
    "verify_bundle": "formats",
    "convert": "conversion",
    "train": "training",
    "evaluate": "evaluation",
    "quantize": "quantization",
    "load": "runtime",
    "stream": "video",
    "measure": "bench",
    "Engine": "runtime",
    "ModelSpec": "spec",
    "Preparation": "spec",
    "Record": "bench",
    "Verdict": "compare",
    "UnderOneError": "errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'underone' has no attribute {name!r}; it has {', '.join(_PUBLIC)}")
    try:
        return getattr(importlib.import_module(f".{_PUBLIC[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from .errors import MissingExtra

        raise MissingExtra(f"underone.{name}", "torch", "train") from error


def __dir__() -> list[str]:
    return sorted(__all__)
