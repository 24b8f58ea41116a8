from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from builder import samples
from builder.opcodes import ESTIMATOR, call, name, text, whole
from modelbuild.artifact import read_artifact
from modelbuild.config import Options
from modelbuild.errors import ArtifactError, HandlerError, UnsupportedModelError
from modelbuild.host import Host
from modelbuild.runtime import Reading, builtin_runtimes, read
from modelbuild.source import read_source

MODELS = Path(__file__).parents[3] / "shared" / "models" / "sklearn"
SKLEARN = next(runtime for runtime in builtin_runtimes() if runtime.name == "sklearn")


def reading(data: bytes, folder: Path) -> Reading:
    path = folder / "model"
    path.write_bytes(data)
    return read(SKLEARN, read_artifact(path, cache=folder / "cache"))


def written_by(version: str, *more: bytes) -> bytes:
    """A model of that version of scikit-learn."""
    return whole(ESTIMATOR + b"}(" + text("_sklearn_version") + text(version) + b"".join(more) + b"ub")


def installed() -> str:
    import sklearn

    return sklearn.__version__


@pytest.mark.parametrize(
    "write, kind",
    [
        (samples.pickled, "pickle"),
        (samples.dumped, "joblib"),
        (lambda: samples.dumped(("zlib", 3)), "joblib (zlib)"),
        (lambda: samples.dumped(("gzip", 3)), "joblib (gzip)"),
        (lambda: samples.dumped(("xz", 3)), "joblib (xz)"),
        (samples.skops, "skops"),
    ],
)
def test_every_format_says_its_version(write, kind, tmp_path):
    found = reading(write(), tmp_path)
    assert (found.format, found.version, found.findings) == (kind, installed(), ())


def test_what_people_want_to_know(tmp_path):
    found = reading(samples.dumped(), tmp_path)
    assert found.metadata["estimator"] == "Pipeline(StandardScaler, LogisticRegression)"
    assert found.metadata["features"] == "3"
    assert found.metadata["classes"] == "no, yes"
    mixed = reading(samples.pickled(model=samples.mixed()), tmp_path)
    described = "ColumnTransformer(FunctionTransformer, OneHotEncoder)"
    assert mixed.metadata["estimator"] == f"Pipeline({described}, RandomForestRegressor)"
    assert mixed.metadata["feature names"] == "age, city"


@pytest.mark.parametrize("write", [samples.pickled, samples.dumped, samples.skops])
def test_frames_need_pandas_and_numbers_do_not(write, tmp_path):
    assert "pandas" in reading(write(model=samples.mixed()), tmp_path).requirements
    assert "pandas" not in reading(write(model=samples.classifier()), tmp_path).requirements


def test_a_plain_model_fitted_on_a_frame_needs_no_pandas(tmp_path):
    import pandas as pd
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PowerTransformer, StandardScaler

    frame = pd.DataFrame({"a": [1.0, 2, 4], "b": [2.0, 3, 9]})
    plain = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, frame["a"])
    assert "pandas" not in reading(samples.pickled(model=plain), tmp_path).requirements
    inner = PowerTransformer().fit(frame)  # holds a scaler that was told what to return
    assert "pandas" in reading(samples.pickled(model=inner), tmp_path).requirements


@pytest.mark.parametrize("module, name", [("xgboost", "XGBClassifier"), ("lightgbm", "LGBMClassifier")])
def test_a_booster_fitted_on_a_frame_needs_pandas(module, name, tmp_path):
    """Neither has ``feature_names_in_`` in its file: one notes that there were names, the other's booster has them."""
    import numpy as np
    import pandas as pd

    make = getattr(pytest.importorskip(module), name)
    rows, labels = np.arange(80.0).reshape(40, 2), np.arange(40) % 2
    framed = make(n_estimators=2).fit(pd.DataFrame(rows, columns=["a b", "c"]), labels)
    plain = make(n_estimators=2).fit(rows, labels)
    assert "pandas" in reading(samples.pickled(model=framed), tmp_path).requirements
    assert "pandas" not in reading(samples.pickled(model=plain), tmp_path).requirements


@pytest.mark.parametrize(
    "version, expected",
    [
        ("1.3.0", ("numpy<2",)),
        ("1.3.2", ()),
        ("1.0.2", ("numpy<2", "scipy<1.11")),
        ("0.24.2", ("numpy<2", "scipy<1.11")),
    ],
)
def test_old_versions_get_the_libraries_of_their_time(version, expected, tmp_path):
    found = reading(written_by(version), tmp_path)
    assert (found.version, found.requirements) == (version, expected)


def test_arrays_of_numpy_2_need_numpy_2(tmp_path):
    found = reading(written_by("1.5.2", text("x") + name("numpy._core.multiarray", "scalar")), tmp_path)
    assert found.requirements == ("numpy>=2",)


@pytest.mark.parametrize("version", ["0.21.3", "0.19"])
def test_too_old_for_any_image(version, tmp_path):
    with pytest.raises(UnsupportedModelError, match=rf"scikit-learn {version}; 0\.24 is the oldest") as caught:
        reading(written_by(version), tmp_path)
    assert "ONNX" in caught.value.hint


@pytest.mark.parametrize("version", ["1.8.dev0", "1.2+local", "x; import os", ""])
def test_versions_that_nobody_can_install_are_none(version, tmp_path):
    found = reading(written_by(version), tmp_path)
    assert found.version == ""
    assert "no version of scikit-learn" in [item.what for item in found.findings]


def test_the_version_of_the_whole_counts(tmp_path):
    part = call(name("sklearn.svm._classes", "SVC")) + b"}" + text("_sklearn_version") + text("1.2.2") + b"sb"
    found = reading(written_by("1.5.0", text("part") + part), tmp_path)
    assert found.version == "1.5.0"
    assert [item.what for item in found.findings] == ["parts written by scikit-learn 1.2.2"]


def test_modules_that_models_are_made_of_are_required(tmp_path):
    inner = call(name("xgboost.sklearn", "XGBClassifier")) + b"0" + call(name("imblearn.pipeline", "Pipeline")) + b"0"
    found = reading(whole(inner + ESTIMATOR), tmp_path)
    assert found.requirements == ("imbalanced-learn", "xgboost-cpu")
    assert "danger" not in {item.severity for item in found.findings}


@pytest.mark.parametrize("module, needed", [("lightgbm.sklearn", ("libgomp1",)), ("xgboost.sklearn", ())])
def test_what_lightgbm_lacks_comes_from_debian(module, needed, tmp_path):
    pickled = tmp_path / "m.pkl"
    pickled.write_bytes(whole(call(name(module, "LGBMClassifier")) + b"0" + ESTIMATOR))
    found = read_source(pickled, Options(), Host(tmp_path / "cache", "3.12", {}))
    assert found.runtime.system_packages == needed


def test_a_handler_may_be_nothing_but_the_pickled_class(tmp_path):
    pickled, handler = tmp_path / "m.pkl", tmp_path / "features.py"
    pickled.write_bytes(whole(call(name("__main__", "Clipped")) + b"0" + ESTIMATOR))
    handler.write_text("class Clipped: ...")
    host = Host(tmp_path / "cache", "3.12", {})
    found = read_source(pickled, Options(handler=handler), host)
    assert (found.runtime.name, found.handler.style) == ("sklearn", "definitions")
    with pytest.raises(HandlerError, match="has no predict"):
        read_source(pickled, Options(handler=handler, runtime="python"), host)


def test_a_pickle_never_chooses_what_is_installed(tmp_path):
    found = reading(whole(call(name("acme_corp_internal.x", "Model")) + b"0" + ESTIMATOR), tmp_path)
    assert found.requirements == ()
    assert ("review", "acme_corp_internal.x.Model") in {(item.severity, item.what) for item in found.findings}


def test_danger_is_found(tmp_path):
    found = reading(whole(call(name("os", "system"), text("x")) + b"0" + ESTIMATOR), tmp_path)
    assert ("danger", "os.system") in {(item.severity, item.what) for item in found.findings}


def test_what_is_no_estimator_is_for_review(tmp_path):
    found = reading(samples.pickled(model={"model": samples.classifier()}), tmp_path)
    assert [(item.severity, item.what) for item in found.findings] == [("review", "a dict instead of an estimator")]


@pytest.mark.parametrize("write", [samples.pickled, samples.dumped, lambda: samples.dumped(3), samples.skops])
@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_cut_off(write, keep, tmp_path):
    data = write()
    with pytest.raises(ArtifactError) as caught:
        reading(data[: int(len(data) * keep)], tmp_path)
    assert caught.value.hint


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "x").write_bytes(b"x")
    with pytest.raises(UnsupportedModelError, match="is a folder"):
        read(SKLEARN, read_artifact(tmp_path / "m", cache=tmp_path))


def skops_of(schema: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema))
    return buffer.getvalue()


def node(module: str, cls: str, loader: str = "ObjectNode", **more: object) -> dict[str, object]:
    return {"__module__": module, "__class__": cls, "__loader__": loader, **more}


@pytest.mark.parametrize("model", [samples.classifier, samples.mixed])
def test_skops_loads_with_the_types_found_trustworthy(model, tmp_path):
    import skops.io

    found = reading(samples.skops(model()), tmp_path)
    loaded = skops.io.load(tmp_path / "model", trusted=found.options["trusted"])
    assert type(loaded) is type(model())
    assert set(skops.io.get_untrusted_types(file=tmp_path / "model")) <= set(found.options["trusted"])


@pytest.mark.parametrize(
    "bad, expected",
    [
        (node("os", "system", "FunctionNode"), "os.system"),
        (node("operator", "methodcaller", "OperatorFuncNode"), "operator.methodcaller"),
        (node("sklearn.datasets._base", "load_files", "FunctionNode"), "sklearn.datasets._base.load_files"),
        (node("builtins", "eval", "TypeNode"), "builtins.eval"),
        (
            node("sklearn.svm._classes", "SVC", "MethodNode", content={"func": "__reduce__", "obj": {}}),
            "sklearn.svm._classes.SVC.__reduce__",
        ),
    ],
)
def test_skops_types_that_no_model_needs(bad, expected, tmp_path):
    schema = {
        "_skops_version": "0.13.0",
        **node("sklearn.svm._classes", "SVC", content=node("builtins", "dict", x=[bad])),
    }
    found = reading(skops_of(schema), tmp_path)
    assert {item.what for item in found.findings if item.severity == "danger"} == {expected}
    assert expected not in found.options["trusted"]
    assert "sklearn.svm._classes.SVC" in found.options["trusted"]


def test_skops_is_required_as_new_as_what_wrote_the_file(tmp_path):
    for wrote, required in [("0.9", "skops>=0.13"), ("0.15.1.dev0", "skops>=0.15.1"), ("x", "skops>=0.13")]:
        schema = {"_skops_version": wrote, **node("sklearn.svm._classes", "SVC")}
        assert reading(skops_of(schema), tmp_path).requirements == (required,)


@pytest.mark.parametrize(
    "schema, message",
    [("{", "is no JSON"), ("[" * 100_000, "is no JSON"), ("[]", "is no object"), ('"x"', "is no object")],
)
def test_skops_with_a_schema_that_is_none(schema, message, tmp_path):
    with pytest.raises(ArtifactError, match=message):
        reading(skops_of(schema), tmp_path)


def test_a_zip_bomb_for_a_schema(tmp_path, monkeypatch):
    from modelbuild.formats import archive

    monkeypatch.setattr(archive, "MAX_JSON", 1 << 16)
    with pytest.raises(ArtifactError, match="inflates to more than"):
        reading(skops_of("[" + " " * (1 << 20) + "]"), tmp_path)


@pytest.mark.skipif(not MODELS.is_dir(), reason="the models of others are not here (../shared/models)")
def test_models_of_others(tmp_path):
    mixed = read(SKLEARN, read_artifact(MODELS / "kserve_mixedtype/model.joblib", cache=tmp_path))
    assert (mixed.version, mixed.requirements, mixed.findings) == ("1.3.0", ("pandas", "numpy<2"), ())
    assert mixed.metadata["features"] == "10"
    assert mixed.metadata["feature names"].startswith("MSZoning, LotArea")
    svc = read(SKLEARN, read_artifact(MODELS / "kserve_svc_joblib/model.joblib", cache=tmp_path))
    assert (svc.version, svc.requirements, svc.metadata["classes"]) == ("1.3.2", (), "0, 1, 2")


def test_no_array_is_too_large_to_step_over(tmp_path):
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(np.eye(600), np.arange(600))
    model.extra_ = np.zeros((1500, 1500))
    found = reading(samples.dumped(model=model), tmp_path)
    assert found.metadata["estimator"] == "LinearRegression"
