from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelbuild.formats.protobuf import BYTES, VARINT, WireError, fields, integers, mapped, signed, text


def test_fields_of_a_message_written_by_protobuf():
    model = onnx.ModelProto(ir_version=300, producer_name="me", model_version=-5)
    data = model.SerializeToString()
    found = {item.number: item for item in fields(data)}
    assert found[1].value == 300
    assert text(data, found[2]) == "me"
    assert signed(found[5].value) == -5
    assert {number: item.wire for number, item in found.items()} == {1: VARINT, 2: BYTES, 5: VARINT}


def test_packed_and_unpacked_numbers():
    tensor = onnx.TensorProto(dims=[3, 300, -1], float_data=[1.5, -2.0])
    data = tensor.SerializeToString()
    assert [n for item in fields(data) if item.number == 1 for n in integers(data, item)] == [3, 300, -1]
    packed = b"\x0a\x03\x03\xac\x02"
    assert [n for item in fields(packed) for n in integers(packed, item)] == [3, 300]


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x0a", "number is cut off"),
        (b"\x0a\x05abc", "field 1 is cut off: 2 bytes are missing"),
        (b"\x08\x80", "number is cut off"),
        (b"\x08" + b"\xff" * 11, "longer than 10 bytes"),
        (b"\x00\x01", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0f", "wire type 7"),
        (b"\x0d\0\0", "field 1 is cut off: 2 bytes"),
    ],
)
def test_malformed(data, message):
    with pytest.raises(WireError, match=message):
        list(fields(data))


def test_what_is_cut_off_is_let_pass_where_asked():
    assert [item.number for item in fields(b"\x08\x07\x3a\x64abc", cut=True)] == [1, 7]


def test_text_that_is_none():
    for data in (b"\x0a\x02\xff\xfe", b"\x08\x01"):
        with pytest.raises(WireError, match=r"no UTF-8|no string"):
            text(data, next(fields(data)))


def test_a_mapped_file_is_walked_without_being_read(tmp_path):
    path = tmp_path / "sparse"
    size = 1 << 33
    with path.open("wb") as file:
        file.write(b"\x08\x07\x3a" + bytes([0x80, 0x80, 0x80, 0x80, 0x20]))  # eight GiB of field 7
        file.seek(8 + size)
        file.write(b"\x42\x01x")
    with mapped(path) as buffer:
        assert [item.number for item in fields(buffer)] == [1, 7, 8]


def test_an_empty_file_has_no_fields(tmp_path):
    (tmp_path / "empty").touch()
    with mapped(tmp_path / "empty") as buffer:
        assert list(fields(buffer)) == []


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_do_harm(data, cut):
    try:
        found = list(fields(data, cut=cut))
    except WireError:
        return
    assert all(item.start <= item.end for item in found)
