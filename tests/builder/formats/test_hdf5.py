from __future__ import annotations

import contextlib
import random

import pytest

from builder.hdf5 import HEADER, hdf5
from modelbuild.formats.hdf5 import Hdf5Error, root_attributes


def test_texts_of_any_and_of_fixed_length_and_other_values():
    found = root_attributes(hdf5({"config": "é" * 70_000, "fixed": b"abc\0\0", "number": 3, "empty": ""}))
    assert found == {"config": "é" * 70_000, "fixed": "abc", "number": None, "empty": ""}


def test_a_file_without_attributes():
    assert root_attributes(hdf5({})) == {}


def test_a_file_that_is_cut_off_says_how_much_is_missing():
    with pytest.raises(Hdf5Error, match="7 bytes are missing"):
        root_attributes(hdf5({"a": "b"}, cut=7))
    for end in range(8, 200):
        with pytest.raises(Hdf5Error):
            root_attributes(hdf5({"a": "b"})[:end])


def test_a_header_that_leads_back_to_itself():
    data = bytearray(hdf5({"a": "b" * 10}))
    data[HEADER + 16 : HEADER + 18] = (0x10).to_bytes(2, "little")
    data[HEADER + 24 : HEADER + 40] = (HEADER + 16).to_bytes(8, "little") + (64).to_bytes(8, "little")
    with pytest.raises(Hdf5Error, match="leads back to itself"):
        root_attributes(bytes(data))


def test_changed_anywhere_ends_well():
    whole = hdf5({"config": "{}" * 20, "fixed": b"abc", "number": 3})
    chance = random.Random(0)
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(3):
            data[chance.choice((chance.randrange(400), chance.randrange(len(data))))] = chance.randrange(256)
        with contextlib.suppress(Hdf5Error):
            root_attributes(bytes(data))
