"""Train a head of your own on a network that stays as it is: each picture goes through the network once.

python examples/own_head.py PHOTOS MODEL.onnx LAYER; PHOTOS is a folder with train/CLASS/*.jpg and test/CLASS/*.jpg
"""

import sys
from pathlib import Path

import torch
from torch import nn

import underone as uo
from underone.runtime import extract


def read(net: uo.Engine, folder: Path) -> tuple[torch.Tensor, list[str]]:
    photos = {str(path): path for path in sorted(folder.glob("*/*.jpg"))}
    features = extract(net, photos, pool=True)
    return torch.from_numpy(features.vectors), [Path(file).parent.name for file in features.files]


def main(photos: str, model: str, layer: str) -> float:
    with uo.load(model, layers=[layer]) as net:
        (x, classes), (test_x, test_classes) = (read(net, Path(photos) / part) for part in ("train", "test"))
    names = sorted(set(classes))
    torch.manual_seed(0)
    head = nn.Linear(x.shape[1], len(names))
    y = torch.tensor([names.index(name) for name in classes])
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1, weight_decay=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(x), y).backward()
        optimizer.step()
    answers = [names[index] for index in head(test_x).argmax(1).tolist()]
    right = sum(a == b for a, b in zip(answers, test_classes, strict=True)) / len(answers)
    print(f"{right:.1%} of {len(answers)} test pictures are named right")
    return right


if __name__ == "__main__":
    main(*sys.argv[1:])
