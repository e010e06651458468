"""From a name or a foreign file to a model, and from a model to the file that its suffix names."""

from .convert import convert
from .models import fold_model, open_model, write_model
from .result import Conversion

__all__ = ["Conversion", "convert", "fold_model", "open_model", "write_model"]
