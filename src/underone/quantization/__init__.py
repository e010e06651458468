"""Float32 network → 8 bits with its accuracy kept, by unlabelled pictures."""

from .diagnosis import Diagnosis, diagnose
from .quantize import open_network, quantize
from .stages import REMEDIES

__all__ = ["REMEDIES", "Diagnosis", "diagnose", "open_network", "quantize"]
