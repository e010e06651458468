"""Float32 network → 8 bits with its accuracy kept, by unlabelled pictures."""

from .diagnosis import Diagnosis, diagnose
from .quantize import file_to_write, open_network, quantize, quantize_opened
from .stages import REMEDIES

__all__ = ["REMEDIES", "Diagnosis", "diagnose", "file_to_write", "open_network", "quantize", "quantize_opened"]
