from __future__ import annotations

import json
from dataclasses import replace

import modelbuild
from builder.values import BASE, RUNTIME, make_artifact
from modelbuild.planning.labels import MAX_LABEL, learnt_labels, make_labels
from modelbuild.runtime import Reading
from modelbuild.signature import Signature, TensorSpec

SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, 4)),))


def labels(tmp_path, **changes):
    values = {
        "name": "fraud",
        "version": "1.0",
        "base": BASE,
        "runtime": RUNTIME,
        "reading": Reading("pickle", SIGNATURE, "1.5"),
        "artifact": make_artifact(tmp_path, {"m": b"x"}, name="m", is_folder=False),
        "requirements": ("alpha==1.0",),
    }
    return make_labels(**{**values, **changes})


def test_the_image_describes_itself(tmp_path):
    found = labels(tmp_path)
    assert list(found) == sorted(found)
    assert found["org.opencontainers.image.title"] == "fraud"
    assert found["org.opencontainers.image.base.digest"] == BASE.digest
    assert found["mbuild.version"] == modelbuild.__version__
    assert found["mbuild.framework-version"] == "1.5"
    assert json.loads(found["mbuild.requirements"]) == ["alpha==1.0"]
    assert Signature.from_json(json.loads(found["mbuild.signature"])) == SIGNATURE
    assert not any("created" in name for name in found)


def test_what_is_unknown_or_too_long_is_left_out(tmp_path):
    wide = Signature(tuple(TensorSpec(f"input-{number}", "FP32", (-1,)) for number in range(MAX_LABEL // 40)))
    found = labels(tmp_path, base=replace(BASE, digest=""), reading=Reading("pickle", wide))
    assert not {"org.opencontainers.image.base.digest", "mbuild.framework-version", "mbuild.signature"} & found.keys()


def test_what_the_image_taught():
    assert learnt_labels({"b": 1, "a": 2}, verified=True) == {
        "mbuild.verified": "true",
        "mbuild.contract": '{"a":2,"b":1}',
    }
    assert learnt_labels(None, verified=False) == {"mbuild.verified": "false"}
    assert "mbuild.contract" not in learnt_labels({"a": "x" * MAX_LABEL}, verified=True)
