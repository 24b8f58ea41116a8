"""A signature as a session of TensorFlow 1 runs it: for graphs that TensorFlow 2 does not take as functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Sequence, Tuple

from modelbuild_runtime.engines.tensorflow.callables import Callables, Port, chosen, port


def open_session(tf: Any, path: Path, key: str, tags: Sequence[str], threads: int) -> Callables:
    """Load the graph into a session of its own, and make one call of it."""
    v1 = tf.compat.v1
    graph = tf.Graph()
    settings = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    with graph.as_default():
        session = v1.Session(graph=graph, config=settings)
        loaded = v1.saved_model.load(session, list(tags), str(path))
        found = dict(loaded.signature_def.items())
        usable = {name: bool(item.inputs and item.outputs) for name, item in found.items()}
        signature = found[key or chosen(path, usable, {name: item.method_name for name, item in found.items()})]
        inputs, feeds = _ports(tf, graph, signature.inputs)
        outputs, fetches = _ports(tf, graph, signature.outputs)
        call = session.make_callable(fetches, feed_list=feeds)
    return Callables(session, inputs, outputs, lambda arrays: call(*arrays))


def _ports(tf: Any, graph: Any, infos: Any) -> Tuple[Tuple[Port, ...], List[Any]]:
    """What a signature calls its tensors, and the tensors. Their own shapes say more than old signatures do."""
    named = [(name, graph.get_tensor_by_name(info.name)) for name, info in sorted(infos.items())]
    return tuple(port(tf, name, tensor) for name, tensor in named), [tensor for _, tensor in named]
