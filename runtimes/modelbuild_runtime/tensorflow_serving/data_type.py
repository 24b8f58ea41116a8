"""TensorFlow's data types: their names in JSON and in errors, their numbers in protobuf, and what they are here."""

from __future__ import annotations

from typing import Dict, NamedTuple


class DataType(NamedTuple):
    """One data type: ``word`` in errors, ``number`` in protobuf, ``field`` that holds its values there."""

    word: str
    number: int
    field: str

    @property
    def name(self) -> str:
        """The name of the enumeration's value."""
        return f"DT_{self.word.upper()}"


DATA_TYPES: Dict[str, DataType] = {
    "FP32": DataType("float", 1, "float_val"),
    "FP64": DataType("double", 2, "double_val"),
    "INT32": DataType("int32", 3, "int_val"),
    "UINT8": DataType("uint8", 4, "int_val"),
    "INT16": DataType("int16", 5, "int_val"),
    "INT8": DataType("int8", 6, "int_val"),
    "BYTES": DataType("string", 7, "string_val"),
    "INT64": DataType("int64", 9, "int64_val"),
    "BOOL": DataType("bool", 10, "bool_val"),
    "UINT16": DataType("uint16", 17, "int_val"),
    "FP16": DataType("half", 19, "half_val"),
    "UINT32": DataType("uint32", 22, "uint32_val"),
    "UINT64": DataType("uint64", 23, "uint64_val"),
}
"""By the datatypes of the contract. TensorFlow has more, which no contract can ask for."""
