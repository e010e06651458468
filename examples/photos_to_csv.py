"""Name what is on every photograph of a folder, and write a table.

python examples/photos_to_csv.py PHOTOS MODEL.onnx names.csv
"""

import csv
import sys
from pathlib import Path

import underone as uo


def main(folder: str, model: str, table: str) -> None:
    with uo.load(model) as net, Path(table).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "name", "score"])
        for photo in sorted(Path(folder).rglob("*.jpg")):
            try:
                best = net.classify(photo).top(1)[0]
            except uo.UnderOneError as error:  # one broken photograph is no reason to stop
                print(error, file=sys.stderr)
                continue
            rows.writerow([photo, best.name, f"{best.score:.4f}"])


if __name__ == "__main__":
    main(*sys.argv[1:])
