"""Write what TensorFlow finds on photographs with a published detector; needs tensorflow 2.21 and Pillow.

python make_tensorflow_detections.py frozen_inference_graph.pb FOLDER_OF_PHOTOGRAPHS

`detections/pedestrian.json` holds for each photograph on which something scores 0.25 or more: the boxes x1 y1 x2 y2 as
shares of the picture, and their scores, best first. The graph runs whole: its own resizing, anchors and suppression.
Photographs without a find are listed with empty rows.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

OUTPUT = Path(__file__).parent / "detections" / "pedestrian.json"
LEAST = 0.25  # the test compares what scores 0.3 or more, and must know what lies just below


def main(graph: str, folder: str) -> None:
    definition = tf.compat.v1.GraphDef.FromString(Path(graph).read_bytes())
    found = {}
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.import_graph_def(definition, name="")
        for path in sorted(Path(folder).glob("*.jpg")):
            picture = np.asarray(Image.open(path).convert("RGB"))
            boxes, scores = session.run(["detection_boxes:0", "detection_scores:0"], {"image_tensor:0": picture[None]})
            kept = scores[0] >= LEAST
            found[path.name] = {"boxes": boxes[0][kept][:, [1, 0, 3, 2]].tolist(), "scores": scores[0][kept].tolist()}
    OUTPUT.write_text(json.dumps(found, indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")
    print(sum(len(row["scores"]) for row in found.values()), "boxes on", len(found), "photographs")


if __name__ == "__main__":
    main(*sys.argv[1:])
