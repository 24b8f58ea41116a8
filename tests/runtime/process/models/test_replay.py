from __future__ import annotations

import logging

from modelbuild_runtime.dataplane.dataplane import Dataplane
from modelbuild_runtime.dataplane.pace import Pace
from modelbuild_runtime.http.router import Router
from modelbuild_runtime.manifest import Example
from modelbuild_runtime.process.models.replay import Replayer
from modelbuild_runtime.settings import Settings
from runtime.fakes import FakePipeline, fake_protocol


def replayer(pace: Pace | None = None) -> Replayer:
    return Replayer(Settings(), Router([fake_protocol()]), Dataplane(FakePipeline()), pace)


def test_an_example_goes_through_all_layers_but_the_socket():
    done = replayer().replay(Example([[1, 2, 3]]))
    assert done.succeeded
    assert done.response.body == b'{"y":[6.0]}'


def test_an_example_that_fails():
    one = replayer()
    refused, failed = one.replay(Example([[1, 2]])), one.replay(Example([[666, 0, 0]]))
    assert (refused.succeeded, refused.response.status, refused.failure) == (False, 400, None)
    assert (failed.succeeded, failed.response.status) == (False, 500)
    assert isinstance(failed.failure, ValueError)
    assert one.replay(Example([[1, 2, 3]])).failure is None


def test_the_access_log_is_of_clients_alone(caplog):
    caplog.set_level(logging.INFO)
    one = Replayer(Settings(access_log=True), Router([fake_protocol()]), Dataplane(FakePipeline()))
    assert one.replay(Example([[1, 2, 3]])).succeeded
    assert caplog.text == ""


def test_the_pace_is_learnt():
    pace = Pace()
    replayer(pace).replay(Example([[1, 2, 3]]))
    assert pace.estimate(1) > 0
