"""Write checkpoints with TensorFlow: python make_tensorflow_checkpoints.py; needs tensorflow 2.21 and cramjam 2.14.

They lie in `tensorflow/checkpoints`. What they hold is said by `VALUES` here and by formulas in the test.
TensorFlow 2.21 reads tables whose blocks are compressed, but does not write them: `compress` rewrites a table with
cramjam's snappy, and TensorFlow must read the result.
"""

import shutil
from pathlib import Path

import cramjam
import numpy as np
import tensorflow as tf

FOLDER = Path(__file__).parent / "tensorflow" / "checkpoints"
tf1 = tf.compat.v1

VALUES = {
    "net/weights": (np.arange(3 * 3 * 4 * 8).reshape(3, 3, 4, 8) % 23 / 8 - 1).astype(np.float32),
    "net/beta": np.linspace(-1, 1, 8, dtype=np.float64),
    "net/zeros": np.zeros((20, 30), np.float32),
    "net/half": (np.arange(6) / 4).astype(np.float16),
    "net/brain": tf.constant([1.0, -2.5, 3e38, 1.0078125], tf.bfloat16).numpy(),
    "net/count": np.array(123456789012, np.int64),
    "net/bytes": np.arange(-3, 3, dtype=np.int8),
    "net/flags": np.array([True, False, True]),
    "net/words": np.array([b"no", b"numbers"]),
}
PARTED = (np.arange(151).reshape(151, 1) * 1.5).astype(np.float32)  # in pieces of 51, 50 and 50 rows


def part(shape: list[int], dtype: tf.DType, partition_info: object) -> tf.Tensor:
    """Give a piece of the variable that is stored in pieces."""
    row = partition_info.var_offset[0]
    return tf.constant(PARTED[row : row + shape[0]], dtype)


NOT_IN_VERSION_1 = ("net/brain", "net/words")


def variables(device: str, left_out: tuple[str, ...]) -> None:
    """Make the variables in the default graph, on two devices if one is named."""
    for number, (name, value) in enumerate((n, v) for n, v in VALUES.items() if n not in left_out):
        with tf1.device(f"/cpu:{number % 2}" if device else None):
            tf1.get_variable(name, initializer=tf.constant(value), use_resource=False)
    partitioner = tf1.fixed_size_partitioner(3, 0)
    tf1.get_variable("net/parted", PARTED.shape, initializer=part, partitioner=partitioner, use_resource=False)


def save(name: str, version: int, sharded: bool = False) -> None:
    """Save all variables."""
    configuration = tf1.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf1.Session(config=configuration) as session:
        variables("two" if sharded else "", NOT_IN_VERSION_1 if version == tf1.train.SaverDef.V1 else ())
        session.run(tf1.global_variables_initializer())
        saver = tf1.train.Saver(write_version=version, sharded=sharded)
        saver.save(session, str(FOLDER / name), write_meta_graph=False, write_state=False)


def save_objects() -> None:
    """Save a Keras network as TensorFlow 2 does: by paths of attributes, with a graph of the objects."""
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(
        [tf.keras.Input((8, 8, 3)), tf.keras.layers.Conv2D(4, 3, name="first"), tf.keras.layers.Dense(2, name="second")]
    )
    for number, variable in enumerate(model.weights):
        variable.assign(np.arange(np.prod(variable.shape)).reshape(variable.shape) + 100 * number)
    tf.train.Checkpoint(model=model).write(str(FOLDER / "objects"))


def varint(value: int) -> bytes:
    """Write a number in groups of 7 bits."""
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value >= 0x80 else bytes([value])


def number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number, and the place behind it."""
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def entries(block: bytes) -> list[tuple[bytes, bytes]]:
    """Read the names and values of a block."""
    end, at, name, found = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little"), 0, b"", []
    while at < end:
        shared, at = number(block, at)
        own, at = number(block, at)
        size, at = number(block, at)
        name = name[:shared] + block[at : at + own]
        found.append((name, block[at + own : at + own + size]))
        at += own + size
    return found


def block_of(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """Write a block in which each name shares what it can with the one before."""
    block, last = b"", b""
    for name, value in pairs:
        shared = max(n for n in range(len(name) + 1) if last.startswith(name[:n]))
        own, last = name[shared:], name
        block += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
    return block + bytes(4) + (1).to_bytes(4, "little")


def trailer(block: bytes, kind: int) -> bytes:
    """Give what stands behind a block: the kind of its compression, and a masked CRC-32C."""
    crc = 0xFFFFFFFF
    for byte in block + bytes([kind]):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return bytes([kind]) + (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def compress(source: Path, target: Path) -> None:
    """Rewrite a table in several blocks, compressed by snappy."""
    data, pairs = source.read_bytes(), []
    _, at = number(data, len(data) - 48)
    _, at = number(data, at)
    offset, at = number(data, at)
    size, _ = number(data, at)
    for _, handle in entries(data[offset : offset + size]):
        begin, at = number(handle, 0)
        length, _ = number(handle, at)
        pairs += entries(data[begin : begin + length])
    out, index = b"", []
    for some in [pairs[i : i + 3] for i in range(0, len(pairs), 3)]:
        packed = bytes(cramjam.snappy.compress_raw(block_of(some)))
        index.append((some[-1][0], varint(len(out)) + varint(len(packed))))
        out += packed + trailer(packed, 1)
    ends = []
    for block in (block_of([]), block_of(index)):
        ends.append(varint(len(out)) + varint(len(block)))
        out += block + trailer(block, 0)
    target.write_bytes(out + b"".join(ends).ljust(40, b"\0") + bytes.fromhex("57fb808b247547db"))


def main() -> None:
    """Write the files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    save("two", tf1.train.SaverDef.V2)
    save("two_sharded", tf1.train.SaverDef.V2, sharded=True)
    save("one", tf1.train.SaverDef.V1)
    save("one_sharded", tf1.train.SaverDef.V1, sharded=True)
    save_objects()
    compress(FOLDER / "one", FOLDER / "one_compressed")
    compress(FOLDER / "two.index", FOLDER / "two_compressed.index")
    shutil.copy(FOLDER / "two.data-00000-of-00001", FOLDER / "two_compressed.data-00000-of-00001")
    for name in ("one", "two"):
        plain, compressed = (tf1.train.NewCheckpointReader(str(FOLDER / n)) for n in (name, f"{name}_compressed"))
        for variable in ("net/weights", "net/beta", "net/zeros", "net/count"):
            np.testing.assert_array_equal(compressed.get_tensor(variable), plain.get_tensor(variable))


if __name__ == "__main__":
    main()
