"""What SageMaker's platform and its local mode send, in their order."""

from __future__ import annotations

import json

import pytest

from contract.wires import Server, server

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


def test_a_container_that_starts_is_pinged_until_it_is_healthy():
    assert Server("iris", ready=False).ask("GET", "/ping").status == 503
    assert server("iris").ask("GET", "/ping").status == 200


@pytest.mark.parametrize(("batch", "strategy"), [("", "MULTI_RECORD"), ("true", "MULTI_RECORD"), ("True", None)])
def test_batch_transform_learns_what_it_may_send(batch, strategy):
    asked = Server("iris", environment={"SAGEMAKER_BATCH": batch}).ask("GET", "/execution-parameters")
    found = json.loads(asked.body)
    assert found.get("BatchStrategy") == strategy
    assert found["MaxPayloadInMB"] * found["MaxConcurrentTransforms"] <= 100


def test_a_batch_has_a_line_of_output_for_each_line_of_input():
    body = b"".join(b"%d,2,3,4\n" % n for n in range(50))
    answer = server("iris").ask("POST", "/invocations", body, Content_Type="text/csv", Accept="text/csv")
    assert answer.body.count(b"\n") == 50


@pytest.mark.parametrize(
    ("value", "echoed"), [("a=b", "a=b"), ("x" * 1024, "x" * 1024), ("x" * 1025, None), ("\xe9", None), ("", None)]
)
def test_custom_attributes_come_back_if_they_are_what_they_may_be(value, echoed):
    answer = server("iris").ask("POST", "/invocations", b"[1,2,3,4]", **{ATTRIBUTES: value})
    assert answer.headers.get(ATTRIBUTES) == echoed


@pytest.mark.parametrize(("usual", "given"), [("text/csv", "text/csv"), ("image/png", "application/json")])
def test_the_usual_answer_may_be_set(usual, given):
    told = Server("iris", environment={"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": usual})
    assert told.ask("POST", "/invocations", b"[1,2,3,4]", Accept="*/*").content_type.startswith(given)


def test_other_headers_of_the_platform_do_no_harm():
    headers = {"X_Amzn_SageMaker_Target_Model": "a", "X_Amzn_SageMaker_Inference_Id": "b", "Accept": "application/json"}
    answer = server("iris").ask("POST", "/invocations", b"[1,2,3,4]", Content_Type="application/json", **headers)
    assert answer.status == 200
