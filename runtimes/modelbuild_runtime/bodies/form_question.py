"""A form against the contract: each field is an input of one record, and a file is bytes."""

from __future__ import annotations

from typing import Any, Dict, List, Union

from modelbuild_runtime.bodies import cell, form_body, json_body, npy_body
from modelbuild_runtime.bodies.form_body import Part
from modelbuild_runtime.bodies.question import RECORD, Question, only_input
from modelbuild_runtime.contract import Contract
from modelbuild_runtime.http import media_type
from modelbuild_runtime.http.media_type import MediaType
from modelbuild_runtime.request import Rows


def read(body: Union[bytes, bytearray], media: MediaType, contract: Contract) -> Question:
    """Read a form as one record. A field that is sent more than once is a list.

    Raises:
        ServerError: it is no such form, or a field is nothing of its input's datatype.
    """
    return question(form_body.read(body, media), contract)


def question(parts: List[Part], contract: Contract) -> Question:
    """The fields of a form, whatever it came in, as one record.

    Raises:
        ServerError: a field is nothing of its input's datatype.
    """
    found: Dict[str, List[Any]] = {}
    for part in _named(parts, contract):
        found.setdefault(part.name, []).append(_value(part, contract))
    left_out = {spec.name for spec in contract.inputs if spec.optional and found.get(spec.name) in ([None], [""])}
    record = {name: one[0] if len(one) == 1 else one for name, one in found.items() if name not in left_out}
    return Question(Rows([record]), RECORD)


def _named(parts: List[Part], contract: Contract) -> List[Part]:
    """One file for one input is that input, whatever the client calls it: browsers and curl say "file"."""
    single = only_input(contract)
    if single is not None and len(parts) == 1 and parts[0].filename:
        return [parts[0]._replace(name=single.name)]
    return parts


def _value(part: Part, contract: Contract) -> Any:
    kind = media_type.parse(part.content_type.encode("latin-1", "replace")).name
    if kind == media_type.JSON:
        return json_body.read(part.value)
    if kind == media_type.NPY:
        return npy_body.read(part.value).tolist()
    if part.filename or (kind and not kind.startswith("text/")):
        return part.value
    text = form_body.text(part)
    spec = next((spec for spec in contract.inputs if spec.name == part.name), None)
    if spec is None:
        return text
    if len(spec.shape) > contract.batched and text[:1] == "[":
        return json_body.read(part.value)
    return cell.value(spec.name, spec.datatype, text)
