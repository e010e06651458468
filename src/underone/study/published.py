"""What others measured, for the columns beside ours."""

from collections.abc import Mapping
from types import MappingProxyType

# Vasu et al., CVPR 2023, table 1: Spearman's rho and p of latency with …
CORRELATIONS: Mapping[tuple[str, str], tuple[float, float]] = MappingProxyType(
    {
        ("phone", "MACs"): (0.47, 0.03),
        ("phone", "parameters"): (0.30, 0.18),
        ("CPU", "MACs"): (0.06, 0.80),
        ("CPU", "parameters"): (0.07, 0.77),
    }
)

# the same, table 2: milliseconds on an iPhone 12 of a 30-layer network whose layout is not printed
ACTIVATIONS_MS: Mapping[str, float] = MappingProxyType(
    {
        "relu": 1.53,
        "gelu": 1.63,
        "se_relu": 2.10,
        "silu": 2.54,
        "dynamic_shift_max": 57.04,
        "dynamic_relu_b": 242.14,
        "dynamic_relu_a": 273.49,
    }
)

# Hollemans, "MobileNet V2" (machinethink.net, 2018), the Metal library: frames a second with three slots, resizing not
# counted, iOS 11; in parentheses Core ML on the same device, behind the comma Core ML 2
DEVICES = ("iPhone 7", "iPhone X", "iPad Pro 10.5")
METAL_FPS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "zoo:mobilenet_v1_100": ("118 (45)", "162 (53)", "204 (110, 120)"),
        "zoo:mobilenet_v2_100": ("145 (41)", "233 (50)", "220 (–, 84)"),
        "zoo:ssd300_mobilenet_v1_100": ("53", "74", "82"),
        "zoo:ssdlite300_mobilenet_v2_100": ("63", "98", "108"),
        "zoo:deeplabv3light_mobilenet_v2_100": ("8.2", "12.5", "15.1"),
    }
)
# the same: parameters and MACs in millions, megabytes in the app, top-1 and top-5 of TensorFlow's networks
METAL_PRINTED: Mapping[str, tuple[str, str, str, str]] = MappingProxyType(
    {
        "zoo:mobilenet_v1_100": ("4.24", "569", "–", "70.9; 89.9"),
        "zoo:mobilenet_v2_100": ("3.47", "300", "7", "71.8; 91.0"),
    }
)
