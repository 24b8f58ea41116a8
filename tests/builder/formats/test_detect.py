from __future__ import annotations

import bz2
import gzip
import importlib
import io
import json
import lzma
import pickle
import zipfile
import zlib
from pathlib import Path

import pytest

from builder import samples
from modelbuild.artifact import Artifact, read_artifact
from modelbuild.errors import ArtifactError, UnknownFormatError
from modelbuild.formats.detect import WORDS, detect, known_formats, matches
from modelbuild.formats.evidence import Evidence
from modelbuild.formats.rules import VOCABULARY, parse_rules
from modelbuild.runtime import builtin_runtimes, read
from runtime.exports import export

MODELS = Path(__file__).parents[4] / "shared" / "models"
RUNTIMES = builtin_runtimes()

TITLES = {
    "caffe/mtcnn_det1": "a Caffe model",
    "catboost/mlserver/model.cbm": "catboost",
    "h2o_mojo/h2o3_gbm/model.zip": "an H2O MOJO",
    "lightgbm/kserve_iris_bst/model.bst": "lightgbm",
    "lightgbm/treelite_toy_categorical/model.txt": "lightgbm",
    "mleap/airbnb_rf/bundle.zip": "an MLeap bundle",
    "mleap/min_max_scaler/bundle.zip": "an MLeap bundle",
    "multi_format/basic_pitch/nmp": "tensorflow",
    "multi_format/basic_pitch/nmp.onnx": "onnx",
    "multi_format/basic_pitch/nmp.tflite": "tflite",
    "onnx/light_squeezenet/model.onnx": "onnx",
    "onnx/ort_examples_mnist/model.onnx": "onnx",
    "onnx/triton_simple_addsub/model.onnx": "onnx",
    "onnx/triton_simple_string/model.onnx": "onnx",
    "pfa/hipparcos_kmeans_trees/model.pfa": "a PFA document",
    "pmml/cpmml_housinggbtclassifier_pca/model.xml": "a PMML document",
    "pmml/cpmml_irisrandomforest/model.xml": "a PMML document",
    "pmml/dmg_naive_bayes/model.xml": "a PMML document",
    "pmml/kserve_iris/model.pmml": "a PMML document",
    "sklearn/kserve_mixedtype/model.joblib": "sklearn",
    "sklearn/kserve_svc_joblib/model.joblib": "sklearn",
    "tf_savedmodel/NEG_bad_half_plus_two": "a TensorFlow 1 checkpoint",
    "tf_savedmodel/NEG_bad_half_plus_two/1": "a TensorFlow 1 checkpoint",
    "tf_savedmodel/half_plus_three/1": "tensorflow",
    "tf_savedmodel/half_plus_two_tf2_cpu/1": "tensorflow",
    "tf_savedmodel/matrix_half_plus_two": "tensorflow",
    "tflite/half_plus_two/model.tflite": "tflite",
    "xgboost/kserve_iris_bst/model.bst": "xgboost",
    "xgboost/kserve_iris_json/model.json": "xgboost",
}


def look(path: Path, tmp_path: Path) -> Artifact:
    return read_artifact(path, cache=tmp_path / "cache")


def name_of(artifact: Artifact) -> str:
    """The runtime's name, or the title of the format that no runtime here takes."""
    evidence = Evidence(artifact)
    matching = [runtime.name for runtime in RUNTIMES if matches(runtime.rules, evidence)]
    titles = [known.title for known in known_formats() if matches(known.rules, evidence)]
    return (matching + titles + ["unknown"])[0]


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
@pytest.mark.parametrize("case", TITLES)
def test_models_of_others_are_called_by_their_right_names(case, tmp_path):
    artifact = look(MODELS / case, tmp_path)
    assert name_of(artifact) == TITLES[case] or any(runtime.name == TITLES[case] for runtime in RUNTIMES)
    taken = [runtime.name for runtime in RUNTIMES]
    if TITLES[case] in taken:
        assert detect(artifact, RUNTIMES).name == TITLES[case]


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
def test_the_table_covers_every_model_of_others():
    folders = {str(path.parent.relative_to(MODELS)) for path in MODELS.rglob("case.json")}
    assert folders == {"/".join(case.split("/")[:2]) for case in TITLES}


FILES = {
    "LFS pointer": ("model.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
    "log-in page": ("model.onnx", b"\n<!DOCTYPE html><html>", "an HTML page"),
    "PMML after a comment": ("m.xml", b'<?xml version="1.0"?><!-- by > me --><PMML version="4.4">', "a PMML document"),
    "PMML in UTF-16": ("m.xml", '\ufeff<?xml version="1.0"?><PMML>'.encode("utf-16-le"), "a PMML document"),
    "PMML with a prefix": ("m.xml", b"<dmg:PMML xmlns:dmg='x'>", "a PMML document"),
    "other XML": ("m.xml", b"<svg><PMML/></svg>", "unknown"),
    "PFA": ("m.json", b'{"cells": {"input": 1}, "input": "int", "output": "int", "action": {}}', "a PFA document"),
    "PFA in YAML": ("m.yaml", b"input: int\noutput: int\naction:\n  - input\n", "a PFA document"),
    "nested keys": ("m.json", b'{"a": {"input": 1, "output": 2, "action": 3}}', "unknown"),
    "XGBoost UBJSON": ("m.ubj", b"{L\0\0\0\0\0\0\0\x07learner{", "xgboost"),
    "XGBoost trees": ("m.txt", b"booster[0]:\n0:[f2<2.4] yes=1,no=2", "a dump of the trees of an XGBoost model"),
    "XGBoost trees in JSON": ("m.json", b'[\n  { "nodeid": 0, "depth": 0}]', "a dump of the trees of an XGBoost model"),
    "LightGBM trees": ("m.json", b'{"tree_info": [], "max_feature_idx": 3}', "a dump of the trees of a LightGBM model"),
    "MXNet symbol": ("m.json", b'{"nodes": [], "arg_nodes": []}', "a Gluon or MXNet model"),
    "prototxt": ("deploy.prototxt", b'name: "x"\nlayer {\n  name: "y"\n}', "a Caffe model"),
    "safetensors": ("m", (64).to_bytes(8, "little") + b'{"w":{}}', "pytorch"),
    "npy": ("m.npy", b"\x93NUMPY\x01\x00", "a NumPy array"),
    "HDF5": ("m.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "ORT format": ("m.ort", b"\x10\0\0\0ORTM", "an ONNX Runtime model"),
    "fastText": ("m.bin", b"\xba\x16\x4f\x2f", "fasttext"),
    "JAX export": ("m.bin", export(), "jax"),
    "FlatBuffers without a program": ("m.bin", export(program=b"MZ"), "unknown"),
    "SavedModel's graph alone": ("saved_model.pb", b"\x08\x01\x12\x02hi", "the graph of a TensorFlow SavedModel"),
    "a tensor, not a model": ("output_0.pb", b"\x08\x01\x10\x01\x4a\x04abcd", "unknown"),
    "Keras": ("m.keras", zipped(**{"config.json": "{}", "metadata.json": "{}", "model.weights.h5": ""}), "keras"),
    "TorchServe": ("m.mar", zipped(**{"MAR-INF/MANIFEST.json": "{}"}), "a TorchServe model archive"),
    "TorchScript": ("m.pt", zipped(**{"m/constants.pkl": "", "m/code/x.py": "", "m/data.pkl": ""}), "pytorch"),
    "checkpoint": ("m.pt", zipped(**{"m/data.pkl": "", "m/version": ""}), "pytorch"),
    "old checkpoint": ("m.pt", bytes.fromhex("80028a0a6cfc9c46f9206aa850192e") + b"\x80\x02M\xe9\x03.", "pytorch"),
    "torch.export": ("m.pt2", zipped(**{"m/models/model.json": "", "m/archive_format": ""}), "pytorch"),
    "old torch.export": ("m.pt2", zipped(**{"serialized_exported_program.json": "", "version": ""}), "pytorch"),
    "AOTInductor": ("m.pt2", zipped(**{"m/data/aotinductor/model/x.so": ""}), "a package of AOTInductor"),
    "npz": ("m.npz", zipped(**{"a.npy": ""}), "an archive of NumPy arrays"),
    "zipped MLflow": ("m.zip", zipped(**{"model/MLmodel": ""}), "an MLflow model"),
    "zipped Spark": ("m.zip", zipped(**{"metadata/part-00000": ""}), "a Spark ML pipeline"),
    "any zip": ("m.zip", zipped(readme=""), "unknown"),
    "skops": ("m.skops", zipped(**{"schema.json": json.dumps({"_skops_version": "0.10"})}), "sklearn"),
    "tar": ("m.tar.gz", gzip.compress(b"x" * 600), "a tar archive"),
    "text": ("m.txt", b"hello", "unknown"),
    "zeros": ("m.bin", bytes(64), "unknown"),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case, tmp_path):
    name, data, title = FILES[case]
    (tmp_path / name).write_bytes(data)
    assert name_of(look(tmp_path / name, tmp_path)).startswith(title)


FOLDERS = {
    "MLflow": ({"MLmodel": "", "model.pkl": ""}, "mlflow"),
    "SavedModel": ({"saved_model.pb": "", "variables/variables.index": ""}, "tensorflow"),
    "versions": ({"1/saved_model.pb": "", "2/saved_model.pb": ""}, "tensorflow"),
    "Spark": ({"metadata/part-00000": '{"class":"org.apache.spark.ml.PipelineModel"}\n'}, "a Spark ML pipeline"),
    "MLlib": ({"metadata/part-00000": '{"class":"org.apache.spark.mllib.X"}'}, "a Spark MLlib (RDD) model"),
    "Hugging Face": ({"config.json": "{}", "model.safetensors": ""}, "a Hugging Face"),
    "spaCy": ({"config.cfg": "", "meta.json": "{}"}, "spacy"),
    "spaCy in a package": ({"__init__.py": "", "m-1.0/config.cfg": "", "m-1.0/meta.json": "{}"}, "spacy"),
    "spaCy in MLflow": (
        {"MLmodel": "", "model.spacy/config.cfg": "", "model.spacy/meta.json": "{}"},
        "mlflow",
    ),
    "unpacked archive": ({"MAR-INF/MANIFEST.json": "{}"}, "a TorchServe model archive"),
    "MXNet": ({"x-symbol.json": "{}", "x-0000.params": ""}, "a Gluon or MXNet model"),
    "anything": ({"readme.txt": "hello"}, "unknown"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders(case, tmp_path):
    files, title = FOLDERS[case]
    for name, text in files.items():
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_text(text or "x")
    assert name_of(look(tmp_path / "m", tmp_path)).startswith(title)


PACKED = {
    "plain": bytes,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


@pytest.mark.parametrize("packing", PACKED)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_of_scikit_learn_however_written(packing, protocol, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(PACKED[packing](samples.pickled(protocol)))
    assert detect(look(path, tmp_path), RUNTIMES).name == "sklearn"


@pytest.mark.parametrize("module", ["xgboost", "lightgbm", "catboost", "torch", "keras"])
def test_pickles_of_other_libraries_are_named(module, tmp_path):
    (tmp_path / "m.pkl").write_bytes(f"c{module}.core\nModel\n.".encode())
    with pytest.raises(UnknownFormatError, match=r"(?i)pickled|PyTorch") as caught:
        detect(look(tmp_path / "m.pkl", tmp_path), RUNTIMES)
    assert caught.value.exit_code == 11


ESTIMATORS = {
    "xgboost.sklearn": ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRanker"),
    "lightgbm.sklearn": ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"),
    "catboost.core": ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"),
}


@pytest.mark.parametrize("name", [f"{module}.{name}" for module, names in ESTIMATORS.items() for name in names])
def test_pickled_estimators_of_other_libraries_are_scikit_learns(name, tmp_path):
    module, _, kind = name.rpartition(".")
    assert hasattr(importlib.import_module(module), kind)  # else no pickle refers to it
    (tmp_path / "m.pkl").write_bytes(f"c{module}\n{kind}\n.".encode())
    assert detect(look(tmp_path / "m.pkl", tmp_path), RUNTIMES).name == "sklearn"


def test_all_words_of_a_rule_must_hold_and_not_turns_one_round(tmp_path):
    (tmp_path / "m.x").write_text("x")
    evidence = Evidence(look(tmp_path / "m.x", tmp_path))
    for table, expected in [
        ({"glob": "*.x", "text": "x"}, True),
        ({"glob": "*.x", "text": "y"}, False),
        ({"glob": "*.x", "not_text": "y"}, True),
        ({"not_glob": ["*.x", "*.y"]}, False),
        ({"glob": ["*.y", "*.X"]}, True),
    ]:
        assert matches(parse_rules([table], "test"), evidence) is expected


def test_the_vocabulary_is_what_is_implemented():
    assert set(WORDS) == set(VOCABULARY)


@pytest.mark.parametrize(
    "data, message",
    [
        (zipped(**{"MAR-INF/MANIFEST.json": "{}"})[:-30], "begins like a zip archive"),
        (pickle.dumps({"a": list(range(100))})[:-5], "begins like a pickle, but it ends too early"),
        (zlib.compress(samples.pickled())[:-10], "ends too early"),
    ],
    ids=["zip", "pickle", "zlib"],
)
def test_what_is_cut_off_is_called_so(data, message, tmp_path):
    (tmp_path / "m").write_bytes(data)
    artifact = look(tmp_path / "m", tmp_path)
    with pytest.raises(ArtifactError, match=message):
        read(detect(artifact, RUNTIMES), artifact)
