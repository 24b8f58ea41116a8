"""Exported functions of JAX put together by hand, without a program that would run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers

PROGRAM = b"ML\xefR\x0dStableHLO_v1.15.0\0"
F32 = 10
Value = tuple[int, tuple[str, ...]]
ROWS: Value = (F32, ("rows", "3"))


def export(
    takes: Any = (({"x": "*"},), {}),
    gives: Any = "*",
    inputs: Sequence[Value] = (ROWS,),
    outputs: Sequence[Value] = (ROWS,),
    *,
    platforms: Sequence[str] = ("cpu",),
    devices: int = 1,
    convention: int = 10,
    effects: Sequence[str] = (),
    custom_calls: Sequence[str] = (),
    unique: bool = True,
    program: bytes = PROGRAM,
) -> bytes:
    """Trees are nested dicts, tuples and lists whose leaves are texts, None, or a set with the name of a type.
    ``unique`` is how files since 2026 list the kinds of values.
    """
    builder = flatbuffers.Builder(4096)
    kinds = list(dict.fromkeys((*inputs, *outputs)))
    slots: dict[int, int] = {
        1: builder.CreateString("function"),
        2: _tree(builder, takes),
        4: _tree(builder, gives),
        9: _list(builder, [builder.CreateString(name) for name in platforms]),
        11: _list(builder, [_table(builder, {0: builder.CreateString(name)}) for name in effects]),
        12: _list(builder, [_table(builder, {1: builder.CreateString(name)}, kind=1) for name in custom_calls]),
        13: builder.CreateByteVector(program),
    }
    if unique:
        slots[19] = _list(builder, [_value(builder, kind) for kind in kinds])
        slots[22] = _numbers(builder, [kinds.index(value) for value in inputs])
        slots[23] = _numbers(builder, [kinds.index(value) for value in outputs])
    else:
        slots[3] = _list(builder, [_value(builder, value) for value in inputs])
        slots[5] = _list(builder, [_value(builder, value) for value in outputs])
    builder.StartObject(26)
    for slot, place in slots.items():
        builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    builder.PrependUint16Slot(14, convention, 0)
    builder.PrependUint32Slot(18, devices, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _tree(builder: Any, tree: Any) -> int:
    kinds: dict[type, int] = {str: 0, type(None): 1, tuple: 2, list: 3, dict: 4, set: 5}
    children = list(tree.values()) if isinstance(tree, dict) else tree if isinstance(tree, tuple | list) else ()
    slots = {1: _list(builder, [_tree(builder, child) for child in children])}
    if isinstance(tree, dict):
        slots[2] = _list(builder, [builder.CreateString(key) for key in tree])
    if isinstance(tree, set):
        slots[3] = builder.CreateString(*tree)
    return _table(builder, slots, kind=kinds[type(tree)])


def _value(builder: Any, value: Value) -> int:
    kind, shape = value
    sizes = _list(builder, [builder.CreateString(size) for size in shape])
    return _table(builder, {1: sizes}, lambda: builder.PrependInt8Slot(2, kind, 0))


def _table(builder: Any, slots: dict[int, int], more: Callable[[], None] = lambda: None, *, kind: int = 0) -> int:
    builder.StartObject(5)
    builder.PrependInt8Slot(0, kind, 0)
    for slot, place in slots.items():
        builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    more()
    return int(builder.EndObject())


def _list(builder: Any, places: Sequence[int]) -> int:
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _numbers(builder: Any, numbers: Sequence[int]) -> int:
    builder.StartVector(4, len(numbers), 4)
    for number in reversed(numbers):
        builder.PrependUint32(number)
    return int(builder.EndVector())
