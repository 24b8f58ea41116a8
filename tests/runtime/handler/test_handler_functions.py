"""Handlers of plain functions: what arrives, what may be returned, and what comes out."""

from pathlib import Path

import numpy as np
import pytest

from modelbuild_runtime.contract import Contract
from modelbuild_runtime.errors import InvalidInput, LoadError
from modelbuild_runtime.signature import Signature, TensorSpec
from runtime.graphs import identity, pipeline, two_inputs

RECORD = """
from dataclasses import dataclass

@dataclass
class Payment:
    amount: float
    country: str = "FR"
"""


def ask(pipe, rows):
    """Rows through a pipeline that wants rows."""
    assert pipe.wants == "rows"
    return pipe.run(pipe.convert(rows))


def test_record_by_record(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
def preprocess(payment: Payment):
    return [payment.amount / 100, float(payment.country == "FR")]

def postprocess(outputs, payment: Payment):
    return {"score": outputs["y"][0] * 2, "country": payment.country}
""",
    )

    assert pipe.contract.inputs == (
        TensorSpec("amount", "FP64", (-1,)),
        TensorSpec("country", "BYTES", (-1,), optional=True),
    )
    assert pipe.contract.record["required"] == ["amount"]
    assert not pipe.contract.open
    assert pipe.batchable
    assert ask(pipe, [{"amount": 50}, {"amount": 25, "country": "DE"}, [100, "FR"]]) == [
        {"score": 1.0, "country": "FR"},
        {"score": 0.5, "country": "DE"},
        {"score": 2.0, "country": "FR"},
    ]


def test_record_from_tensors(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
def preprocess(payment: Payment):
    assert type(payment.amount) is float and type(payment.country) is str
    return [payment.amount, len(payment.country)]
""",
    )

    records = pipe.rows({"amount": np.array([[1.0], [2.0]]), "country": np.array([b"FR", "BEL"], object)})

    assert pipe.run(records)["y"].tolist() == [[1, 2], [2, 3]]


def test_one_array_a_row_may_carry_an_axis_of_one(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
import numpy as np

def preprocess(payment: Payment):
    return {"x": np.array([[payment.amount, 1.0]])}
""",
    )

    assert ask(pipe, [{"amount": 1.0}, {"amount": 2.0}])["y"].tolist() == [[1, 1], [2, 1]]


def test_a_record_returned_is_inputs_by_name(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from typing import TypedDict
import msgspec

class Question(TypedDict):
    n: int

class Features(msgspec.Struct):
    a: float
    b: float
    unused: str = ""

def preprocess(question: Question) -> Features:
    return Features(question["n"], 0.5)
""",
        model=two_inputs,
    )

    assert ask(pipe, [{"n": 1}, {"n": 2}])["total"].tolist() == [[1.5], [2.5]]


def test_list_of_records_once_a_batch(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
import numpy as np
import msgspec

class Verdict(msgspec.Struct):
    total: float

calls = []

def preprocess(payments: list[Payment]):
    calls.append(len(payments))
    return np.array([[p.amount, len(calls)] for p in payments])

def postprocess(outputs: dict[str, np.ndarray], payments) -> list[Verdict]:
    return [Verdict(float(value)) for value in outputs["y"].sum(axis=1)]
""",
    )

    assert ask(pipe, [{"amount": 1}, {"amount": 2}, {"amount": 3}]) == [{"total": 2.0}, {"total": 3.0}, {"total": 4.0}]
    assert pipe.contract.outputs == (TensorSpec("total", "FP64", (-1,)),)


def test_list_of_dicts_takes_any_object(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
def preprocess(rows: list[dict]):
    return {"x": [[row["a"], row.get("b", 0)] for row in rows]}
""",
    )

    assert pipe.contract == Contract((), (TensorSpec("y", "FP32", (-1, 2)),), open=True)
    assert ask(pipe, [{"a": 1}, {"a": 2, "b": 3}])["y"].tolist() == [[1, 0], [2, 3]]
    with pytest.raises(InvalidInput, match="row 1 is not an object"):
        pipe.convert([{"a": 1}, [2]])


def test_frame_of_declared_columns(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from typing import Annotated, TypedDict
import pandas as pd

class House(TypedDict):
    surface: float
    rooms: int

def preprocess(houses: Annotated[pd.DataFrame, House]):
    assert list(houses.dtypes.astype(str)) == ["float64", "int64"]
    houses["ratio"] = houses["surface"] / houses["rooms"]
    return houses[["surface", "ratio"]]

def postprocess(outputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"n": [len(cell) for cell in outputs["y"]]})
""",
    )

    assert pipe.wants == "columns"
    assert [(spec.name, spec.datatype) for spec in pipe.contract.inputs] == [("surface", "FP64"), ("rooms", "INT64")]
    answer = pipe.run({"surface": np.array([10.0, 30.0]), "rooms": np.array([2, 3])})
    assert answer["n"].tolist() == [2, 2]


def test_frame_of_columns_that_may_be_missing(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from dataclasses import dataclass
from typing import Annotated, Optional
import pandas as pd

@dataclass
class House:
    surface: float
    rooms: Optional[int] = None
    garden: bool = True

def preprocess(houses: Annotated[pd.DataFrame, House]):
    assert list(houses.dtypes.astype(str)) == ["float64", "float64", "bool"]
    return houses[["surface", "rooms"]].fillna(-1)
""",
    )

    assert ask(pipe, [{"surface": 1.0}, {"surface": 2.0, "rooms": 3}])["y"].tolist() == [[1, -1], [2, 3]]


def test_frame_without_declared_columns(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
import pandas as pd

def preprocess(frame: pd.DataFrame):
    return frame.assign(b=frame["b"].str.len())
""",
    )

    assert pipe.contract.open
    assert ask(pipe, [{"a": 1, "b": "xyz"}, {"a": 2, "b": ""}])["y"].tolist() == [[1, 3], [2, 0]]


@pytest.mark.parametrize("annotation", ["", ": dict[str, np.ndarray]", ": Dict[str, NDArray[np.float64]]"])
def test_arrays_by_name(tmp_path: Path, annotation: str) -> None:
    pipe = pipeline(
        tmp_path,
        f"""
from typing import Dict
import numpy as np
from numpy.typing import NDArray

def preprocess(inputs{annotation}):
    return np.stack([inputs["a"], inputs["b"]], axis=1)

def postprocess(outputs):
    return outputs["y"].max(axis=1)
""",
    )

    assert pipe.wants == "columns"
    assert pipe.contract.open
    answer = pipe.run({"a": np.array([1.0, 5.0]), "b": np.array([3.0, 4.0])})
    assert answer["y"].tolist() == [3, 5]


def test_a_bare_array_of_an_annotated_shape(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from typing import Annotated
import numpy as np
from numpy.typing import NDArray

def preprocess(images: Annotated[NDArray[np.uint8], (2, 2)]):
    return images.mean(axis=2) / 255

def postprocess(y: np.ndarray):
    return {"bright": y.sum(axis=1) > 1}
""",
    )

    assert pipe.contract.inputs == (TensorSpec("x", "UINT8", (-1, 2, 2)),)
    answer = pipe.run({"x": np.array([[[255, 255], [255, 255]], [[0, 0], [0, 1]]], np.uint8)})
    assert answer["bright"].tolist() == [True, False]


def test_a_bare_array_takes_whatever_comes(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, "import numpy as np\ndef preprocess(x: np.ndarray): return x * 2\n")

    assert pipe.contract.open
    assert pipe.run({"anything": np.ones((1, 2))})["y"].tolist() == [[2, 2]]
    with pytest.raises(InvalidInput, match="expected one array, got 2"):
        pipe.run({"a": np.ones(1), "b": np.ones(1)})


def test_postprocess_alone_keeps_the_models_contract(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, "def postprocess(outputs): return {'sum': outputs['y'].sum(axis=1)}\n")

    assert pipe.contract.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert pipe.contract.outputs == ()
    assert pipe.run({"x": np.ones((3, 2), np.float32)})["sum"].tolist() == [2, 2, 2]


def test_postprocess_by_record_of_a_batch_handler(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
from dataclasses import dataclass

@dataclass
class Output:
    y: list[float]

def postprocess(output: Output, inputs):
    return {"first": output.y[0], "given": inputs["x"].tolist()}
""",
    )

    assert pipe.run({"x": np.array([[1, 2], [3, 4]], np.float32)}) == [
        {"first": 1.0, "given": [1.0, 2.0]},
        {"first": 3.0, "given": [3.0, 4.0]},
    ]


def test_answers_are_plain(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
import numpy as np

def preprocess(payment: Payment):
    return [payment.amount, 0.0]

def postprocess(outputs, payment):
    return {"n": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "a": outputs["y"], "p": payment, 4: {"t": [1, 2]}}
""",
    )

    assert ask(pipe, [{"amount": 1}]) == [
        {"n": 3, "f": 0.5, "b": True, "a": [1.0, 0.0], "p": {"amount": 1.0, "country": "FR"}, "4": {"t": [1, 2]}}
    ]


def test_predict_runs_the_frameworks_own_object(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, "def predict(model, inputs): return model.run(['y'], dict(inputs))[0] * 2\n")

    assert pipe.contract.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    assert pipe.run({"x": np.ones((1, 2), np.float32)})["output"].tolist() == [[2, 2]]


def test_load_brings_its_own_model_and_no_engine(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_text("3")
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
def load(context):
    assert (context.name, context.version) == ("fraud", "7")
    return int(context.model.read_text()) + int((context.handler / "bias.txt").read_text())

def predict(model, payment: Payment):
    return payment.amount * model
""",
        model=None,
        files={"bias.txt": "2"},
    )

    assert ask(pipe, [{"amount": 2}, {"amount": 3}]) == [10.0, 15.0]


def test_own_predict_after_own_preprocess(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
def load(): return 10

def preprocess(payment: Payment): return {"amount": payment.amount}

def predict(model, inputs): return {"fee": inputs["amount"] * model}

def postprocess(outputs): return round(outputs["fee"], 1)
""",
    )

    assert ask(pipe, [{"amount": 1.26}, {"amount": 2}]) == [12.6, 20.0]


def test_parameters_of_the_request(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
def preprocess(inputs): return inputs["a"]
def postprocess(outputs, parameters): return outputs["y"][:, 0] > parameters.get("threshold", 0.5)
""",
    )

    inputs = {"a": np.array([[0.4, 0], [0.9, 0]])}
    assert pipe.run(inputs)["y"].tolist() == [False, True]
    assert pipe.run(inputs, {"threshold": 0.95})["y"].tolist() == [False, False]


def test_a_model_of_one_item_a_run_serves_many_records(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD + "\ndef preprocess(payment: Payment): return [payment.amount, 1]\n",
        model=lambda path: identity(path, 1, 2),
    )

    assert pipe.contract.batched
    assert ask(pipe, [{"amount": 1}, {"amount": 2}])["y"].tolist() == [[1, 1], [2, 1]]


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("None", "preprocess returned nothing"),
        ("{'z': [1, 2]}", "not the model's input 'x' .its inputs are 'x'"),
        ("{'x': [[1, 2, 3]]}[0:]", None),
        ("[['a', 'b']]", "values that are not float32"),
        ("np.ones((1, 2, 2))", r"of shape \(1, 2, 2\); the model takes \(-1, 2\)"),
        ("np.ones((1, 2), complex)", "as complex128; the model takes FP32"),
    ],
)
def test_what_preprocess_must_not_return(tmp_path: Path, returned: str, complaint: str) -> None:
    pipe = pipeline(tmp_path, f"import numpy as np\ndef preprocess(inputs): return {returned}\n")

    with pytest.raises((TypeError, ValueError, KeyError), match=complaint):
        pipe.run({"a": np.ones(1)})


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        ("None", "postprocess returned nothing"),
        ("3", "postprocess returned a int"),
        ("[1]", "returned 1 items for 2 rows"),
        ("{'s': 1.0}", "'s' with one value for 2 rows"),
        ("{'s': [1, 2, 3]}", "'s' with 3 entries for 2 rows"),
        ("{'s': np.ones(2, complex)}", "complex numbers"),
    ],
)
def test_what_postprocess_must_not_return(tmp_path: Path, returned: str, complaint: str) -> None:
    pipe = pipeline(tmp_path, f"import numpy as np\ndef postprocess(outputs): return {returned}\n")

    with pytest.raises((TypeError, ValueError), match=complaint):
        pipe.run({"x": np.ones((2, 2), np.float32)})


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("x = 1", "none of the functions preprocess, predict and postprocess", "at least one"),
        ("def load(context): pass", "none of the functions", "at least one"),
        ("async def preprocess(inputs): pass", "preprocess of the handler is async", "plain `def preprocess"),
        ("def preprocess(inputs): yield 1", "is a generator", "Return"),
        ("def preprocess(): pass", "preprocess of the handler takes 0 arguments; it is called with 1", ""),
        ("def preprocess(a, b): pass", "takes 2 arguments; it is called with 1", ""),
        ("def postprocess(a, b, c): pass", "takes 3 arguments; it is called with 1 to 2", ""),
        ("preprocess = 3", "is not a function", ""),
        ("def preprocess(x: set): pass", "'x' is annotated set", "list\\[Record\\], list\\[dict\\]"),
        ("def preprocess(x: list[float]): pass", "'x' is annotated list", "record type"),
        (
            "def preprocess(x: 'Nowhere'): pass",
            "annotation of the handler's preprocess cannot be read",
            "TYPE_CHECKING",
        ),
        ("def load(context): return 1\ndef preprocess(x): pass", "no function to run it", "predict"),
        ("def load(context): 1 / 0\ndef preprocess(x): pass", "load of the handler failed: ZeroDivisionError", ""),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, source: str, message: str, hint: str) -> None:
    with pytest.raises(LoadError, match=message) as caught:
        pipeline(tmp_path, source)

    assert __import__("re").search(hint, caught.value.hint)


def test_declared_signature_is_the_contract_of_a_handler_with_its_own_model(tmp_path: Path) -> None:
    declared = Signature((TensorSpec("q", "INT64", (-1,)),))
    pipe = pipeline(
        tmp_path, "def load(): return 2\ndef predict(model, inputs): return inputs['q'] * model\n", signature=declared
    )

    assert pipe.contract.inputs == declared.inputs
    assert pipe.run({"q": np.array([1, 2])})["output"].tolist() == [2, 4]


def test_no_rows_are_no_answers(tmp_path: Path) -> None:
    pipe = pipeline(tmp_path, RECORD + "\ndef preprocess(payment: Payment): raise AssertionError('never called')\n")

    assert ask(pipe, []) == []


def forest(path: Path) -> None:
    """A model fitted on a frame of numbers."""
    import joblib
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    joblib.dump(LinearRegression().fit(pd.DataFrame({"a": [0.0, 1, 2], "b": [0.0, 0, 1]}), [0.0, 1, 12]), path)


@pytest.mark.parametrize(
    "preprocess",
    [
        "def preprocess(p: Payment): return [p.amount, 1]",
        "def preprocess(p: Payment): return {'b': 1, 'a': p.amount, 'c': 'unused'}",
        "def preprocess(ps: list[Payment]): return np.array([[p.amount, 1] for p in ps])",
        "def preprocess(ps: list[Payment]): return pd.DataFrame({'a': [p.amount for p in ps], 'b': 1.0})",
        "def preprocess(f: Annotated[pd.DataFrame, Payment]): return f.rename(columns={'amount': 'a'}).assign(b=1)[['a', 'b']]",
        "def preprocess(f: Annotated[dict, Payment]): return {'a': f['amount'], 'b': np.ones(len(f['amount']), int)}",
    ],
)
def test_features_of_a_model_fitted_on_a_frame(tmp_path: Path, preprocess: str) -> None:
    imports = "from typing import Annotated\nimport numpy as np\nimport pandas as pd\n"
    pipe = pipeline(tmp_path, imports + RECORD + preprocess + "\n", model=forest, runtime="sklearn")

    answer = ask(pipe, [{"amount": 2}, {"amount": 0}])
    np.testing.assert_allclose(answer["prediction"], [12, 10], atol=1e-9)


def test_what_the_model_refuses_is_the_clients_only_if_the_client_sent_it(tmp_path: Path) -> None:
    source = RECORD + "\ndef preprocess(p: Payment): return {'a': float('nan'), 'b': p.amount}\n"
    pipe = pipeline(tmp_path, source, model=forest, runtime="sklearn")

    with pytest.raises(ValueError, match="the model refuses what preprocess returned: input 'a'"):
        ask(pipe, [{"amount": 2}])

    (tmp_path / "same").mkdir()
    pipe = pipeline(
        tmp_path / "same",
        "from dataclasses import dataclass\n\n@dataclass\nclass Row:\n    a: float\n\n"
        "def preprocess(row: Row): return {'a': row.a, 'b': 1}\n",
        model=forest,
        runtime="sklearn",
    )
    with pytest.raises(InvalidInput, match="input 'a': the model takes no missing"):
        ask(pipe, [{"a": float("nan")}])


def test_functions_that_are_no_plain_functions(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        RECORD
        + """
import functools

def scaled(payment: Payment, factor: float):
    return [payment.amount * factor, 0]

class After:
    def __call__(self, outputs: dict):
        return {"n": outputs["y"].tolist()}

preprocess = functools.partial(scaled, factor=3)
postprocess = After()
""",
    )

    assert ask(pipe, [{"amount": 2}]) == [{"n": [6.0, 0.0]}]


def test_members_of_an_enum_are_values_in_columns(tmp_path: Path) -> None:
    pipe = pipeline(
        tmp_path,
        """
import enum
from dataclasses import dataclass
from typing import Annotated
import pandas as pd

class Size(enum.Enum):
    SMALL = 1
    LARGE = 2

@dataclass
class Box:
    size: Size

def preprocess(boxes: Annotated[pd.DataFrame, Box]):
    return boxes.assign(twice=boxes["size"] * 2)
""",
    )

    assert ask(pipe, [{"size": 2}])["y"].tolist() == [[2, 4]]


def test_rows_that_would_change_each_others_frame_have_different_keys(tmp_path: Path) -> None:
    source = "import pandas as pd\ndef predict(model, frame: pd.DataFrame): return frame\ndef load(): return 1"
    pipe = pipeline(tmp_path, source)

    def key(*rows: object) -> object:
        return pipe.key(pipe.convert(list(rows)))

    different = [{"x": 1}, {"x": 2.5}, {"x": "1"}, {"x": None}, {"x": True}, {"x": 2**63}, {"x": 2**64}, {"y": 1}, [1]]
    assert len({key(row) for row in different}) == len(different)
    assert key({"x": 1, "y": "a"}) == key({"x": 2, "y": "b"}, {"x": -3, "y": "c"})
    assert key({"x": 1}, {"x": 2.5}) != key({"x": 1}, {"x": 2.5})


def test_parameters_may_be_changed(tmp_path: Path) -> None:
    source = """
def load(): return 1
def predict(model, record: dict, parameters):
    parameters["seen"].append(record["x"])
    return parameters["seen"]
"""
    given = {"seen": []}
    pipe = pipeline(tmp_path, source)

    assert pipe.run([{"x": 1}, {"x": 2}], given) == [[1], [2]]
    assert given == {"seen": []}


@pytest.mark.parametrize(
    "source",
    [
        "def preprocess(x: np.ndarray):\n    x *= 2\n    return x",
        "def preprocess(inputs: dict[str, np.ndarray]):\n    inputs['x'] *= 2\n    return inputs",
        "def preprocess(x: Annotated[NDArray[np.float32], (2,)]):\n    x *= 2\n    return x",
        "def preprocess(x: Annotated[dict[str, np.ndarray], Row]):\n    x['x'] *= 2\n    return x",
        "def preprocess(x: Row):\n    x.x *= 2\n    return x.x",
        "def load(): return 1\ndef predict(model, inputs):\n    inputs['x'] *= 2\n    return inputs",
    ],
)
def test_arrays_over_a_body_may_be_written_into(tmp_path: Path, source: str) -> None:
    head = """
from dataclasses import dataclass
from typing import Annotated
import numpy as np
from numpy.typing import NDArray
@dataclass
class Row:
    x: Annotated[NDArray[np.float32], (2,)]
"""
    pipe = pipeline(tmp_path, head + source)
    body = np.array([[1, 2]], np.float32).tobytes()
    for held in (body, bytearray(body)):
        columns = {"x": np.frombuffer(held, np.float32).reshape(1, 2)}
        outputs = pipe.run(pipe.rows(columns) if pipe.wants == "rows" else columns)
        assert next(iter(outputs.values())).ravel()[0] == 2
