from __future__ import annotations

import numpy as np

from modelbuild_runtime.answers.csv_answer import encode
from modelbuild_runtime.signature import TensorSpec

LABEL = np.array(["a", 'b, "c"'], object)
PROBABILITIES = np.array([[0.25, 0.75], [1, np.nan]])
SPECS = (TensorSpec("label", "BYTES", (-1,)), TensorSpec("p", "FP64", (-1, 2), labels=("no", "yes")))


def test_an_output_of_several_values_takes_several_cells():
    columns = {"label": LABEL, "p": PROBABILITIES}
    assert encode(columns, SPECS, header=False) == b'a,0.25,0.75\n"b, ""c""",1.0,nan\n'
    assert encode(columns, SPECS, header=True).split(b"\n")[0] == b"label,p_no,p_yes"
    assert encode(columns, (), header=True).split(b"\n")[0] == b"label,p_0,p_1"


def test_values_of_every_kind():
    columns = {
        "b": np.array([True, False]),
        "t": np.array([b"\xff", None], object),
        "d": np.array([[[1, 2]], [[3, 4]]]),
        "e": np.zeros((2, 0)),
    }
    assert encode(columns, (), header=True) == b"b,t,d_0,d_1\ntrue,/w==,1,2\nfalse,,3,4\n"


def test_no_rows():
    assert encode({"y": np.zeros(0)}, (), header=True) == b"y\n"
