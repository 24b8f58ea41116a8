from __future__ import annotations

import bz2
import datetime as dt
import functools
import gzip
import io
import lzma
import os
import pickle
import pickletools
import struct
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import samples
from builder.opcodes import ESTIMATOR, beside, call, name, text, whole, wrapper
from modelbuild.pickles.policy import PicklePolicy
from modelbuild.pickles.scan import PickleScan, judge, scan, scan_bytes
from modelbuild.runtime import builtin_runtimes

SKLEARN = next(runtime.pickle for runtime in builtin_runtimes() if runtime.name == "sklearn")
SYSTEM = name("os", "system")


def scanned(data: bytes, folder: Path) -> PickleScan:
    path = folder / "model.pkl"
    path.write_bytes(data)
    return scan(path)


def dangers(data: bytes, folder: Path, policy: PicklePolicy = SKLEARN) -> set[str]:
    found = scanned(data, folder)
    assert not found.problem
    return {finding.what for finding in judge(found, policy) if finding.severity == "danger"}


class Reduces:
    """Pickles as a call."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self):
        return self.parts[0], self.parts[1:]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, open, __import__])
def test_calls_of_the_standard_library(protocol, function, tmp_path):
    data = pickle.dumps(Reduces(function, "touch /nowhere"), protocol)
    (found,) = dangers(data, tmp_path)
    assert found.endswith(f".{function.__name__}")


def test_nothing_is_executed(tmp_path):
    data = pickle.dumps([Reduces(os.mkdir, str(tmp_path / "executed")), samples.classifier()])
    assert dangers(data, tmp_path) == {"posix.mkdir"}
    assert not (tmp_path / "executed").exists()


HIDDEN = {
    "python 2's name for it": (beside(call(name("__builtin__", "eval"), text("1")), 2), "builtins.eval"),
    "put together from the memo": (
        beside(text("system") + b"q\x010" + text("os") + b"q\x020h\x02h\x01\x93" + b")R"),
        "os.system",
    ),
    "escaped in a string": (beside(b"S'o\\x73'\nS'sy\\x73tem'\n\x93)R"), "os.system"),
    "escaped in a text": (beside(b"Vo\\u0073\nVsystem\n\x93)R"), "os.system"),
    "computed while loading": (
        beside(call(name("builtins", "str"), text("os")) + text("system") + b"\x93)R"),
        "a name that is computed while loading",
    ),
    "by INST": (whole(b"(" + text("x") + b"ios\nsystem\n0" + ESTIMATOR), "os.system"),
    "by OBJ": (whole(b"(" + SYSTEM + text("x") + b"o0" + ESTIMATOR), "os.system"),
    "by NEWOBJ": (beside(SYSTEM + text("x") + b"\x85\x81"), "os.system"),
    "by NEWOBJ_EX": (beside(SYSTEM + text("x") + b"\x85}\x92"), "os.system"),
    "by a dotted name": (beside(text("sklearn.base") + text("inspect.os.system") + b"\x93)R"), "sklearn.base.inspect.os.system"),
    "by the extension registry": (beside(b"\x82\x07"), "the registered extension 7"),
    "by a persistent id": (beside(b"Pelsewhere\n"), "an object from outside of the file"),
    "by an out-of-band buffer": (beside(b"\x97"), "an object from outside of the file"),
    "by changing a class": (
        beside(name("sklearn.base", "BaseEstimator") + b"}" + text("get_params") + b"Nsb"),
        "a change of sklearn.base.BaseEstimator",
    ),
    "by calling what was made": (
        beside(call(call(name("functools", "partial"), name("numpy", "log1p")))),
        "a call of something that is made while loading",
    ),
    "through getattr": (beside(call(name("builtins", "getattr"), name("numpy", "ndarray"), text("tofile"))), "builtins.getattr"),
    "through a hidden attribute of str": (
        beside(call(name("builtins", "getattr"), name("builtins", "str"), text("__class__"))),
        "builtins.getattr",
    ),
    "through numpy's importer": (beside(call(name("numpy.core", "_ufunc_reconstruct"), text("os"), text("system"))), "os.system"),
    "in a partial": (beside(call(name("functools", "partial"), SYSTEM)), "os.system"),
    "in a transformer": (
        whole(ESTIMATOR + b"}" + text("func") + SYSTEM + b"sb"),
        "os.system",
    ),
    "in a pickle inside": (beside(b"C" + bytes([len(whole(SYSTEM))]) + whole(SYSTEM)), "os.system"),
}  # fmt: skip


@pytest.mark.parametrize("case", HIDDEN)
def test_hidden(case, tmp_path):
    data, expected = HIDDEN[case]
    assert expected in dangers(data, tmp_path)


GADGETS = [
    ("numpy.testing._private.utils", "runstring"),
    ("numpy", "load"),
    ("numpy", "fromfile"),
    ("numpy.f2py.crackfortran", "myeval"),
    ("numpy.lib._npyio_impl", "NpzFile"),
    ("runpy", "_run_code"),
    ("cProfile", "run"),
    ("timeit", "timeit"),
    ("subprocess", "Popen"),
    ("webbrowser", "open"),
    ("ctypes", "CDLL"),
    ("importlib", "import_module"),
    ("operator", "methodcaller"),
    ("builtins", "map"),
    ("types", "CodeType"),
    ("pandas", "eval"),
    ("pandas", "read_pickle"),
    ("pandas.core.computation.eval", "eval"),
    ("pandas.io.pickle", "read_pickle"),
    ("joblib", "load"),
    ("joblib.numpy_pickle", "load"),
    ("joblib.externals.loky.process_executor", "_process_worker"),
    ("scipy.optimize._differentiable_functions", "ScalarFunction"),
    ("scipy.io", "loadmat"),
    ("sklearn.datasets._base", "load_files"),
    ("sklearn.callback._transport", "Client"),
    ("sklearn.utils._available_if", "MethodType"),
    ("sklearn.utils.parallel", "Parallel"),
    ("sklearn.utils._testing", "TempMemmap"),
    ("sklearn.utils.fixes", "delayed"),
    ("sklearn.base", "clone"),
    ("cloudpickle.cloudpickle", "_make_function"),
    ("dill._dill", "_create_function"),
    ("torch.hub", "load"),
    ("pip._internal", "main"),
    ("pkg_resources", "run_script"),
    ("IPython.core.interactiveshell", "system"),
]


@pytest.mark.parametrize("module, attribute", GADGETS)
def test_gadgets(module, attribute, tmp_path):
    found = scanned(beside(call(name(module, attribute), text("x"))), tmp_path)
    assert ("danger", f"{module}.{attribute}") in {(item.severity, item.what) for item in judge(found, SKLEARN)}


PACKED = [zlib.compress, gzip.compress, bz2.compress, lzma.compress, lambda d: lzma.compress(d, lzma.FORMAT_ALONE)]


@pytest.mark.parametrize("pack", PACKED, ids=["zlib", "gzip", "bz2", "xz", "lzma"])
def test_compressed(pack, tmp_path):
    assert dangers(pack(beside(call(SYSTEM))), tmp_path) == {"os.system"}


def test_in_an_object_array_of_joblib(tmp_path):
    array = np.empty(1, object)
    array[0] = Reduces(os.mkdir, "x")
    joblib.dump({"a": array, "b": np.arange(3.0), "c": 1}, tmp_path / "m")
    found = scan(tmp_path / "m")
    assert not found.problem
    assert found.arrays == 2
    assert "posix.mkdir" in {finding.what for finding in judge(found, SKLEARN)}


def test_behind_an_array_of_joblib(tmp_path):
    data = b"\x80\x04]" + wrapper() + b"\x0f" + b"\xff" * 15 + bytes(24) + b"a" + call(SYSTEM) + b"a."
    assert dangers(data, tmp_path) == {"os.system"}


def test_opcodes_in_a_frame_that_joblib_would_run_and_a_plain_reader_would_not_see(tmp_path):
    """joblib reads a frame whole and the array from behind it; what is left in the frame runs afterwards."""
    buffer = io.BytesIO()
    joblib.dump(np.arange(3.0), buffer, protocol=4)
    data = buffer.getvalue()
    array = next(pos for op, _, pos in pickletools.genops(io.BytesIO(data)) if op.name == "BUILD" and pos > 200) + 1
    extra = b"0" + call(SYSTEM, text("x"))
    (size,) = struct.unpack_from("<Q", data, 3)
    forged = data[:3] + struct.pack("<Q", size + len(extra)) + data[11:array] + extra + data[array:]
    assert "a frame goes on" in scanned(forged, tmp_path).problem


@pytest.mark.parametrize(
    "forged",
    [
        wrapper(text_of_dtype="V8", item_size=64),
        wrapper(text_of_dtype="float64"),
        wrapper(text_of_dtype="i4,O"),
        wrapper(text_of_dtype="f8").replace(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),
        wrapper().replace(b"K\x03\x85", b"K\x03"),
    ],
    ids=["another item size", "another spelling", "a list of types", "a negative size", "no shape"],
)
def test_arrays_whose_length_could_be_read_in_two_ways(forged, tmp_path):
    found = scanned(b"\x80\x04" + forged + bytes(200), tmp_path)
    assert "cannot be understood" in found.problem


def test_object_arrays_by_their_flags(tmp_path):
    """NumPy goes by the flags, whatever the datatype is called."""
    data = b"\x80\x04" + wrapper(text_of_dtype="V8", flags=1, item_size=8) + whole(call(SYSTEM)) + b"."
    assert dangers(data, tmp_path) == {"os.system"}


HARMLESS = {
    "values": [1, 2.5, "x", b"y", None, True, {"a": (1, 2)}, {3}, frozenset([4]), 10**50, 1 + 2j, slice(1)],
    "dates": [dt.datetime(2020, 1, 1), dt.timedelta(1)],
    "arrays": [np.arange(6).reshape(2, 3), np.array(["a", None], object), np.float32(1), np.array(["é"])],
    "random": [np.random.RandomState(0), np.random.default_rng(0)],
    "text method": [str.lower, functools.partial(str.split, sep=",")],
    "function": [np.log1p, np.mean],
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("case", HARMLESS)
def test_plain_values_are_harmless(case, protocol, tmp_path):
    found = scanned(pickle.dumps(HARMLESS[case], protocol), tmp_path)
    assert not found.problem
    assert judge(found, SKLEARN) == ()


@pytest.mark.parametrize("model", [samples.classifier, samples.mixed])
@pytest.mark.parametrize("write", [samples.pickled, samples.dumped])
def test_fitted_models_are_harmless(model, write, tmp_path):
    found = scanned(write(model=model()), tmp_path)
    assert not found.problem
    assert judge(found, SKLEARN) == ()


def test_classes_of_the_training_script_are_for_review(tmp_path):
    found = scanned(beside(call(name("__main__", "Scaler"))), tmp_path)
    (finding,) = judge(found, SKLEARN)
    assert (finding.severity, finding.what) == ("review", "__main__.Scaler")
    assert "the handler has to define it" in finding.where


def test_modules_of_others_are_for_review(tmp_path):
    found = scanned(beside(call(name("acme.features", "Scaler"))), tmp_path)
    (finding,) = judge(found, SKLEARN)
    assert (finding.severity, finding.what) == ("review", "acme.features.Scaler")
    assert finding.where.startswith("called at byte ")


def test_functions_kept_but_not_called_are_for_review(tmp_path):
    found = scanned(whole(ESTIMATOR + b"}" + text("func") + name("sklearn.base", "clone") + b"sb"), tmp_path)
    assert [(item.severity, item.what) for item in judge(found, SKLEARN)] == [("review", "sklearn.base.clone")]


def test_the_worst_comes_first(tmp_path):
    found = scanned(beside(call(name("acme", "Scaler")) + b"0" + call(SYSTEM)), tmp_path)
    assert [item.severity for item in judge(found, SKLEARN)] == ["danger", "review"]


def test_without_a_frameworks_policy_its_classes_are_for_review(tmp_path):
    found = scanned(pickle.dumps(samples.classifier()), tmp_path)
    assert {item.severity for item in judge(found, PicklePolicy())} == {"review"}


@pytest.mark.parametrize(
    "data, problem",
    [
        (b"", "ends too early"),
        (b"\x80\x04]", "ends too early"),
        (b"\x80\x04\x8c\x10abc", "ends too early"),
        (b"\x80\x04\x8e" + b"\xff" * 8, "ends too early"),
        (b"\x80\x09.", "protocol 9"),
        (b"\x80\x04\xff.", "no pickle opcode"),
        (b"\x80\x04.", "malformed"),
        (b"\x80\x04h\x05.", "malformed"),
        (b"\x80\x04}(K\x01u.", "malformed"),
        (b"\x80\x04K\x01K\x02a.", "malformed"),
        (b"\x80\x04\x8c\x01\xff.", "malformed"),
        (b"Ix\n.", "no number"),
        (b"Fx\n.", "no number"),
        (b"S'x\n.", "no quotes"),
        (b"(t" + b"0" * 9 + b".", "malformed"),
    ],
)
def test_what_is_no_whole_pickle(data, problem):
    assert problem in scan_bytes(data).problem


def test_arrays_in_files_of_their_own(tmp_path):
    data = b"\x80\x02" + name("joblib.numpy_pickle", "NDArrayWrapper") + b")\x81}b."
    assert "joblib before 0.10" in scanned(data, tmp_path).problem


def test_a_few_bytes_cannot_keep_the_scanner_busy(tmp_path):
    bomb = zlib.compress(b"\x80\x04" + b"N0" * 2_000_000, 9)
    assert "far more steps" in scanned(bomb, tmp_path).problem


def test_names_without_end(tmp_path):
    many = b"".join(name(f"m{i}", "X") for i in range(6000))
    assert "more than 5000 names" in scanned(b"\x80\x04" + many + b".", tmp_path).problem


def test_a_tuple_nested_very_deeply_is_no_trouble(tmp_path):
    found = scanned(b"\x80\x04})" + b"\x85" * 300_000 + b"Ns.", tmp_path)
    assert not found.problem


def test_large_strings_are_stepped_over(tmp_path):
    found = scanned(b"\x80\x04\x8e" + struct.pack("<Q", 3 << 20) + bytes(3 << 20) + b".", tmp_path)
    assert (found.problem, found.root.size) == ("", 3 << 20)


def test_a_changed_file_is_scanned_again(tmp_path):
    assert dangers(beside(call(SYSTEM)), tmp_path) == {"os.system"}
    assert dangers(whole(ESTIMATOR), tmp_path) == set()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_do_harm(data):
    found = scan_bytes(b"\x80\x04" + data)
    judge(found, SKLEARN)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_every_pickle_of_plain_values_is_read_to_its_end(value, protocol):
    found = scan_bytes(pickle.dumps(value, protocol))
    assert not found.problem
    assert judge(found, SKLEARN) == ()
