"""The binary form: the layers of a .caffemodel with their arrays, and the network that it states beside them."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import BadFile, Unsupported
from ...graph import Array
from ..bounded import MOST_AXES, open_file
from ..protobuf import Message
from . import schema
from .fields import Fields

_LAYERS, _OLD_LAYERS = 100, 2  # fields of a network
_BLOBS = {_LAYERS: 7, _OLD_LAYERS: 6}
_NAME = {_LAYERS: 1, _OLD_LAYERS: 4}
_MOST_BLOBS = 64  # of one layer


class Caffemodel(NamedTuple):
    """What a binary file holds: the network in the notation of the text form, and arrays by layer."""

    net: Fields
    arrays: dict[str, list[Array]]


def read_caffemodel(path: Path) -> Caffemodel:
    """Read a binary file.

    Raises:
        BadFile: it is damaged, or holds no layers.
        Unsupported: its layers are older than 2013.
    """
    file = open_file(path)
    message = Message(file.data, file.where)
    net = _fields(message, schema.MESSAGES["Net"], file.where)
    arrays: dict[str, list[Array]] = {}
    for number in (_LAYERS, _OLD_LAYERS):
        for layer in message.messages(number):
            stated = _layer(layer, number, file.where)
            net.add("layer", stated)
            blobs = list(_arrays(layer, _BLOBS[number]))
            if blobs:
                if stated.text("name") in arrays:
                    raise layer.bad(0, f"two layers with arrays have the name {stated.text('name')!r}")
                arrays[stated.text("name")] = blobs
    if "layer" not in net:
        raise BadFile(f"{file.where} holds no layers; a .caffemodel is required")
    return Caffemodel(net, arrays)


def _layer(message: Message, number: int, where: str) -> Fields:
    owner = f"{where}: layer {message.text(_NAME[number])!r}"
    if number == _LAYERS:
        return _fields(message, schema.MESSAGES["Layer"], owner)
    if message.has(1):
        raise Unsupported(f"{where}: layers in the notation of before 2013; upgrade the file with Caffe's "
                          "upgrade_net_proto_binary")  # fmt: skip
    found = _fields(message, schema.OLD_LAYER, owner)
    kind = message.integer(5)
    found.add("type", schema.OLD_TYPES[kind][1] if kind in schema.OLD_TYPES else f"old type {kind}")
    return found


def _fields(message: Message, fields: schema.Fields, owner: str) -> Fields:
    """Decode the fields that are read; as deep as the schema, which does not recur."""
    found = Fields(owner)
    for number, (name, kind) in fields.items():
        if not message.has(number):
            continue
        for value in _values(message, number, kind, f"{owner}: {name}"):
            found.add(name, value)
    return found


def _values(message: Message, number: int, kind: schema.Kind, owner: str) -> Iterator[object]:
    if kind == "text":
        yield from message.texts(number)
    elif kind == "number":
        yield from map(float, message.numbers(number))
    elif kind == "flag":
        yield bool(message.integer(number))
    elif kind == "integer":
        yield from map(int, message.integers(number))
    elif isinstance(kind, tuple):
        value = message.integer(number)
        if not 0 <= value < len(kind):
            raise message.bad(0, f"{owner.rpartition(' ')[2]} is {value}; 0 to {len(kind) - 1} are known")
        yield kind[value]
    else:
        yield from (_fields(inner, schema.MESSAGES[kind], owner) for inner in message.messages(number))


def _arrays(layer: Message, number: int) -> Iterator[Array]:
    for i, blob in enumerate(layer.messages(number)):
        if i == _MOST_BLOBS:
            raise blob.bad(0, f"a layer of more than {_MOST_BLOBS} arrays")
        yield _array(blob)


def _array(blob: Message) -> Array:
    """Give the array of a blob: a view of the file; float64 becomes float32."""
    shape = [int(d) for d in blob.message(7).integers(1)] if blob.has(7) else [blob.integer(i) for i in (1, 2, 3, 4)]
    data = blob.numbers(8, np.float64).astype(np.float32) if blob.has(8) else blob.numbers(5)
    if len(shape) > MOST_AXES or any(d < 0 for d in shape) or math.prod(shape) != data.size:
        raise blob.bad(0, f"an array of shape {tuple(shape[:MOST_AXES])} with {data.size} numbers")
    return data.reshape(shape)
