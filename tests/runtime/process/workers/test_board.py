import os
from time import monotonic

from modelbuild_runtime.process.workers.board import SLOT, Board
from modelbuild_runtime.process.workers.numbers import Numbers
from runtime.wires import Client


def test_notes_are_read_by_all_but_the_own():
    board = Board(3)
    assert board.read(0) == b""
    board.write(0, b"zero")
    board.write(2, b"two")
    assert board.read(2) == b"two"
    assert list(board.others(0)) == [b"two"]
    board.write(2, b"")
    assert list(board.others(0)) == []


def test_a_forked_process_writes_for_its_parent():
    board = Board(2)
    pid = os.fork()
    if pid == 0:
        board.write(1, b"child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.read(1) == b"child"


def test_a_torn_note_and_one_that_is_too_long_are_left_out():
    board = Board(1)
    board.write(0, b"long enough")
    board._memory[20] = 0
    assert board.read(0) == b""
    board.write(0, b"kept")
    board.write(0, b"x" * SLOT)
    assert board.read(0) == b"kept"


def test_while_a_note_is_written_the_one_before_counts():
    board = Board(1)
    board.write(0, b"first")
    assert board.read(0) == b"first"
    board.write(0, b"second")
    board._memory[20] = 0
    assert board.read(0) == b"first"


def test_what_one_worker_has_shown_the_next_one_knows():
    board, apps = Board(2), [Client().app, Client().app]
    first, second = (Numbers(app, {}, board, slot) for slot, app in enumerate(apps))
    shown = []
    for app in (apps[0], apps[1], apps[1], apps[0]):
        app.metrics.response("rest", "m", 200, 0.1)
        shown += [numbers.everyone().requests.get(("rest", "m", 200), 0) for numbers in (first, second)]
    assert shown == sorted(shown), "a counter that falls has begun anew, to whoever watches it"
    assert shown[-1] == 4


def test_a_note_has_its_time():
    board = Board(2)
    assert board.written(1) == 0
    before = monotonic()
    board.write(1, b"note")
    assert before <= board.written(1) <= monotonic()
    assert board.written(0) == 0
