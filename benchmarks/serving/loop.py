"""The limit: decode, feature step, run and encode in a loop, with no server. Prints seconds of CPU a request."""

import json
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
from features import preprocess


class Body(msgspec.Struct):
    instances: list[list[float]]


def main(folder: Path, seconds: float) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
    name = session.get_inputs()[0].name
    rows = json.loads((folder / "rows.json").read_text())
    bodies = [json.dumps({"instances": [row]}).encode() for row in rows]
    decode, encode = msgspec.json.Decoder(Body).decode, msgspec.json.encode
    output = [session.get_outputs()[-1].name]
    count, end, began = 0, time.monotonic() + seconds, time.process_time()
    while time.monotonic() < end:
        for body in bodies:
            features = preprocess(np.array(decode(body).instances, dtype=np.float32))
            encode({"predictions": session.run(output, {name: features})[0].tolist()})
        count += len(bodies)
    print(json.dumps({"cpu_per_request": (time.process_time() - began) / count}))


if __name__ == "__main__":
    os.sched_setaffinity(0, {0})
    main(Path(sys.argv[1]), float(sys.argv[2]))
