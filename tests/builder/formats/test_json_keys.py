from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelbuild.formats import json_keys
from modelbuild.formats.json_keys import top_level_keys

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4), st.booleans(), st.integers(1, 40))
def test_the_keys_of_any_object_in_pieces_of_any_size(value, ascii_only, piece):
    import tempfile
    from pathlib import Path
    from unittest import mock

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(json_keys, "PIECE", piece):
        path = Path(folder) / "m.json"
        path.write_text(json.dumps(value, ensure_ascii=ascii_only), encoding="utf-8")
        assert top_level_keys(path) == set(value)


@pytest.mark.parametrize(
    "data, keys",
    [
        (b'{"a": {"b": 1}, "c": [{"d": 1}], "e"', {"a", "c"}),
        (b'{"a": 1}, "b": 2', {"a"}),
        (b'["a", "b"]', set()),
        (b'{"a\\"b": "c\\\\", "d": 1}', {'a"b', "d"}),
        (b'{"a": "never closed \\', {"a"}),
        (b"", set()),
        (b"{" * 100_000, set()),
    ],
)
def test_what_is_malformed_gives_what_comes_before(data, keys, tmp_path):
    (tmp_path / "m").write_bytes(data)
    assert top_level_keys(tmp_path / "m") == keys


def test_a_string_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(json_keys, "LONGEST_STRING", 1 << 12)
    monkeypatch.setattr(json_keys, "PIECE", 1 << 10)
    (tmp_path / "m").write_bytes(b'{"a": 1, "' + b'\\"' * (1 << 13) + b'": 1, "b": 2}')
    assert top_level_keys(tmp_path / "m") == {"a"}
