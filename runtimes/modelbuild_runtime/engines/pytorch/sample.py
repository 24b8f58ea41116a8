"""A linear classifier of three numbers and a channel, exported by torch.export and computed by numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np

from modelbuild_runtime.engines import Sample

WEIGHTS = np.array([[0.5, -0.25, 1.0], [-1.0, 0.5, 0.25]], np.float32)
CHANNELS = np.array([[0.0, 0.0], [0.5, -0.5], [-0.25, 1.0]], np.float32)
FEATURES = [[1.0, 2.0, 3.0], [-0.5, 0.25, 0.0], [4.0, -1.0, 0.5]]
SENT = [1, 0, 2]
REQUEST = [{"features": features, "channel": channel} for features, channel in zip(FEATURES, SENT)]


def make(folder: Path) -> Sample:
    """Write ``model.pt2``."""
    import torch

    class Classifier(torch.nn.Module):  # type: ignore[misc,name-defined,unused-ignore]  # torch may not be here
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.Parameter(torch.tensor(WEIGHTS))
            self.channels = torch.nn.Parameter(torch.tensor(CHANNELS))

        def forward(self, features, channel):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # as users write it
            scores = features @ self.weights.T + self.channels[channel]
            return {"label": scores.argmax(1), "probabilities": torch.softmax(scores, 1)}

    rows = torch.export.Dim("rows")
    given = (torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))
    program = torch.export.export(
        Classifier().eval(), given, dynamic_shapes={"features": {0: rows}, "channel": {0: rows}}
    )
    path = folder / "model.pt2"
    torch.export.save(program, path)
    scores = np.array(FEATURES, np.float32) @ WEIGHTS.T + CHANNELS[SENT]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    expected = [{"label": int(np.argmax(row)), "probabilities": row.tolist()} for row in probabilities]
    return Sample(path, REQUEST, expected)


def answers(path: Path, rows: Sequence[Dict[str, Any]]) -> List[Any]:
    """What PyTorch itself answers."""
    import torch

    features = torch.tensor(np.array([row["features"] for row in rows], np.float64)).to(torch.float32)
    channel = torch.tensor([row["channel"] for row in rows], dtype=torch.int64)
    with torch.inference_mode():
        found = torch.export.load(path).module()(features, channel)
    both = zip(found["label"].tolist(), found["probabilities"].tolist())
    return [{"label": label, "probabilities": probabilities} for label, probabilities in both]
