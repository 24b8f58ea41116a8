"""Each protocol on the wire: <model>.<case>.request is asked, <model>.<case>.response is what must come."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.models import MODELS
from contract.wires import answer, server

WIRE = Path(__file__).parent / "wire"
REQUESTS = sorted(WIRE.glob("*/*.request"))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_goes_over_the_wire(path, golden):
    model = path.name.partition(".")[0]
    assert model in MODELS
    golden(path.with_suffix(".response"), answer(model, path.read_bytes()))


def test_every_protocol_has_goldens_and_every_golden_its_request():
    spoken = {
        protocol.name
        for protocol in server("iris").protocols
        if not protocol.listener and any(route.method != "GRPC" for route in protocol.routes)
    }
    assert {path.name for path in WIRE.iterdir() if path.is_dir()} == spoken
    for path in WIRE.glob("*/*.response"):
        assert path.with_suffix(".request").exists(), f"{path} answers nothing"
