"""W3: an image as a binary tensor of 1x3x224x224, and a network that takes a core about 5 ms."""

import itertools
from pathlib import Path

import numpy as np

TITLE = "an image as a binary tensor (1x3x224x224), a network of about 5 ms"
MODEL = "model.onnx"
HANDLER = None
PACKAGE: tuple[str, ...] = ()
CONNECTIONS = (1, 8)
LOOPS = {"W3": "mbuild"}
IMAGES = 4
CHANNELS = (3, 48, 80, 112, 112)


def make(folder: Path) -> None:
    """Convolutions of random weights, each halving the image, then a mean and ten classes."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    source = np.random.default_rng(0)
    nodes, weights, before = [], [], "image"
    for at, (narrow, wide) in enumerate(itertools.pairwise(CHANNELS)):
        weight = source.normal(0, (2 / (9 * narrow)) ** 0.5, (wide, narrow, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(weight, f"w{at}"))
        nodes += [
            helper.make_node("Conv", [before, f"w{at}"], [f"c{at}"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{at}"], [f"r{at}"]),
        ]
        before = f"r{at}"
    weights.append(numpy_helper.from_array(source.normal(size=(CHANNELS[-1], 10)).astype(np.float32), "w"))
    nodes += [
        helper.make_node("GlobalAveragePool", [before], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["classes"]),
    ]
    shape = ["n", 3, 224, 224]
    graph = helper.make_graph(
        nodes,
        "w3",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 10])],
        weights,
    )
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / MODEL)
    images = source.normal(size=(IMAGES, 1, *shape[1:])).astype(np.float32)
    session = onnxruntime.InferenceSession(str(folder / MODEL))
    answers = np.stack([session.run(None, {"image": image})[0] for image in images])
    np.savez(folder / "questions.npz", inputs=images, answers=answers)


def questions(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and right answers, by request."""
    kept = np.load(folder / "questions.npz")
    return kept["inputs"], kept["answers"]
