import os
from time import monotonic

from modelbuild_runtime.process.workers.board import SLOT, Board


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


def test_a_note_has_its_time():
    board = Board(2)
    assert board.written(1) == 0
    before = monotonic()
    board.write(1, b"note")
    assert before <= board.written(1) <= monotonic()
    assert board.written(0) == 0
