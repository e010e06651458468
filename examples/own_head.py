"""Train a head of your own on a backbone that stays as it is: each picture goes through the backbone once.

python examples/own_head.py PHOTOS, a folder with train/CLASS/*.jpg and test/CLASS/*.jpg
"""

import sys
from pathlib import Path

import torch
from torch import nn

import underone as uo
from underone.image import prepare


def embed(backbone: nn.Module, spec: uo.ModelSpec, folder: Path, names: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    files = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).glob("*.jpg"))]
    with torch.inference_mode():
        maps = [[*backbone(torch.from_numpy(prepare(path, spec.input))).values()][-1] for path, _ in files]
    return torch.cat([m.mean((2, 3)) for m in maps]), torch.tensor([label for _, label in files])


def main(photos: str, name: str = "mobilenet_v2_100", weights: str = "clothing10") -> float:
    torch.manual_seed(0)
    spec = uo.create_model(name, weights=weights).spec
    backbone = uo.create_model(name, weights=weights, features_only=True).eval()
    names = sorted(path.name for path in (Path(photos) / "train").iterdir() if path.is_dir())
    x, y = embed(backbone, spec, Path(photos) / "train", names)
    head = nn.Linear(x.shape[1], len(names))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2, weight_decay=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(x), y).backward()
        optimizer.step()
    x, y = embed(backbone, spec, Path(photos) / "test", names)
    right = (head(x).argmax(1) == y).float().mean().item()
    print(f"{right:.1%} of {len(y)} test pictures are named right")
    return right


if __name__ == "__main__":
    main(*sys.argv[1:])
