"""ncnn: ONNX → pnnx → .param and .bin; bfloat16 is its storage format, calculated in the widest that the CPU has."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import ncnn
import numpy as np
from graph_module import GraphModule
from serve import serve


def convert(path):
    folder = Path(path).with_suffix("")
    target = folder / "net.ncnn.param"
    if not target.exists():
        folder.mkdir(exist_ok=True)
        source = folder / "net.onnx"
        source.write_bytes(Path(path).read_bytes())
        pnnx = Path(sys.executable).with_name("pnnx")
        size = list(GraphModule(path).image().shape)
        command = [pnnx, source.name, f"inputshape={size}".replace(" ", ""), "fp16=0"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def load(path, precision, threads, _):
    folder = convert(path)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = net.opt.use_bf16_packed = precision == "bfloat16"
    net.load_param(str(folder / "net.ncnn.param"))
    net.load_model(str(folder / "net.ncnn.bin"))

    def run(image):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(image[0]))
        return np.array(extractor.extract("out0")[1])[None]

    return run, {"ncnn": version("ncnn"), "pnnx": version("pnnx")}


serve(load)
