from __future__ import annotations

import pytest

from modelbuild.verification.server_log import condensed, last_words

LOG = """2026-11-22T19:52:20.400Z INFO loading
2026-11-22T19:52:20.400Z ERROR prediction failed: KeyError [14af3f8c9b94000001]
Traceback (most recent call last):
  File "/opt/mbuild/server/modelbuild_runtime/dataplane/dataplane.py", line 60, in run
    return self._run(jobs)
           ^^^^^^^^^^^^^^^
  File "/opt/mbuild/handler/features.py", line 2, in preprocess
    return table["zip"]
           ~~~~~^^^^^^^
  File "/opt/mbuild/deps/pandas/frame.py", line 4000, in __getitem__
    raise KeyError(key)
KeyError: 'zip'
error: the model fails on an example
hint: try another
"""


@pytest.mark.parametrize(
    ("log", "message", "hint"),
    [
        ("", "", ""),
        ("just a line\n", "just a line", ""),
        (
            "2026-01-01T00:00:00.123Z ERROR cannot load m.onnx\n2026-01-01T00:00:00.124Z INFO bye\n",
            "cannot load m.onnx",
            "",
        ),
        ("Traceback\n  File\nmodelbuild_runtime.errors.LoadError: no model\nHint: give one\n", "no model", "give one"),
        ("warn\nImportError: libgomp.so.1\n", "ImportError: libgomp.so.1", ""),
    ],
)
def test_last_words(log, message, hint):
    assert last_words(log) == (message, hint)


def test_of_a_traceback_only_the_users_lines():
    assert condensed(LOG, without="the model fails on an example").splitlines() == [
        "2026-11-22T19:52:20.400Z INFO loading",
        "2026-11-22T19:52:20.400Z ERROR prediction failed: KeyError [14af3f8c9b94000001]",
        '  File "/opt/mbuild/handler/features.py", line 2, in preprocess',
        '    return table["zip"]',
        "           ~~~~~^^^^^^^",
        "KeyError: 'zip'",
    ]


def test_an_exception_that_nobody_caught_is_said_once():
    log = "Traceback (most recent call last):\n  File x\nImportError: libgomp.so.1\n"
    assert condensed(log, without=last_words(log)[0]) == ""


def test_indented_lines_that_are_no_frames_stay():
    assert condensed("table:\n  a 1\n  b 2\n") == "table:\n  a 1\n  b 2"
