"""The limit, inside the image: what one request takes in a loop with no server. ``-c loop.py WORKLOAD SECONDS``.

Decode, feature step, run and encode, one request after the other, for W1; the model's own call alone for the others.
Prints microseconds of time and of CPU a request.
"""

import importlib
import json
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

ROOT = Path("/opt/mbuild")
MANIFEST = json.loads((ROOT / "manifest.json").read_text())
MODEL = str(ROOT / MANIFEST["model"]["path"])
BODIES = 64
source = np.random.default_rng(0)


def session():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    found = onnxruntime.InferenceSession(MODEL, options)
    return found, found.get_inputs()[0].name, found.get_outputs()[-1].name


def features():
    sys.path.append(str(ROOT / MANIFEST["handler"]["path"]))
    return importlib.import_module(MANIFEST["handler"]["module"])


def w1():
    found, name, output = session()
    preprocess = features().preprocess
    body = msgspec.defstruct("Body", [("instances", list[list[float]])])
    decode, encode = msgspec.json.Decoder(body).decode, msgspec.json.encode

    def answer(data):
        rows = preprocess(np.array(decode(data).instances, dtype=np.float32))
        encode({"predictions": found.run([output], {name: rows})[0].tolist()})

    rows = source.normal(size=(BODIES, 30)).round(4).tolist()
    return answer, [json.dumps({"instances": [row]}).encode() for row in rows]


def w1_single():
    found, name, output = session()
    module = features()
    record = msgspec.defstruct("Record", [("values", list[float])])
    body = msgspec.defstruct("Body", [("instances", list[record])])
    decode, encode = msgspec.json.Decoder(body).decode, msgspec.json.encode

    def answer(data):
        samples = [module.Sample(np.array(item.values, dtype=np.float32)) for item in decode(data).instances]
        rows = np.stack([module.preprocess(sample) for sample in samples])
        encode({"predictions": found.run([output], {name: rows})[0].tolist()})

    rows = source.normal(size=(BODIES, 30)).round(4).tolist()
    return answer, [json.dumps({"instances": [{"values": row}]}).encode() for row in rows]


def w3():
    found, name, output = session()
    images = source.normal(size=(4, 1, 3, 224, 224)).astype(np.float32)
    return lambda image: found.run([output], {name: image}), list(images)


def w4():
    import joblib

    forest = joblib.load(MODEL)
    return forest.predict_proba, list(source.normal(size=(BODIES, 1, 30)))


def w4_optimize():
    found, name, output = session()
    rows = source.normal(size=(BODIES, 1, 30)).astype(np.float32)
    return lambda row: found.run([output], {name: row}), list(rows)


LOOPS = {"W1": w1, "W1-single": w1_single, "W3": w3, "W4": w4, "W4-optimize": w4_optimize}


def main(workload, seconds):
    answer, questions = LOOPS[workload]()
    for question in questions:
        answer(question)
    count, began, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        for question in questions:
            answer(question)
        count += len(questions)
    cpu = time.process_time() - spent
    taken = time.perf_counter() - began
    print(json.dumps({"us": taken / count * 1e6, "cpu_us": cpu / count * 1e6}))


main(sys.argv[1], float(sys.argv[2]))
