"""Engines that this project has an adapter for."""

from importlib.metadata import version

from serve import serve

import underone as uo


def load(path, precision, threads, engine):
    net = uo.load(path, engine, threads=threads, precision=precision)
    name = net.spec.input.name

    def run(image):
        return next(iter(net.run({name: image}).values()))

    package = "underone" if engine == "native" else engine
    return run, {package: version(package)}


serve(load)
