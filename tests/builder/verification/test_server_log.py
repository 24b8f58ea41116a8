from __future__ import annotations

import pytest

from modelbuild.verification.server_log import condensed, last_words, raised

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


def test_what_was_raised_for_a_request_and_where():
    assert raised(LOG, "14af3f8c9b94000001") == "KeyError: 'zip' (features.py, line 2)"
    assert raised(LOG, "another") == ""
    assert raised("", "") == ""


def test_of_several_failures_each_has_its_own():
    other = LOG.replace("14af3f8c9b94000001", "b").replace("'zip'", "'city'").replace("line 2", "line 9")
    moment = "2026-11-22T19:52:20.400Z INFO bye\nValueError: of nobody\n"
    for log in (LOG + moment + other + moment, other + moment + LOG + moment):
        assert raised(log, "14af3f8c9b94000001") == "KeyError: 'zip' (features.py, line 2)"
        assert raised(log, "b") == "KeyError: 'city' (features.py, line 9)"


def test_of_a_chain_the_last():
    first = "Traceback (most recent call last):\n  File x\nIndexError: 1\n"
    then = "\nDuring handling of the above exception, another exception occurred:\n\n"
    log = f"2026-11-22T19:52:20.400Z ERROR prediction failed: KeyError [a]\n{first}{then}{first.replace('1', '2')}"
    assert raised(log, "a") == "IndexError: 2"
