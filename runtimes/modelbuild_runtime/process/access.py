"""What is told of one request when its answer leaves: the line of the access log, and where its time went."""

from __future__ import annotations

import logging
from typing import Any, Dict

from modelbuild_runtime.http.exchange import Exchange
from modelbuild_runtime.http.message import HttpResponse

logger = logging.getLogger("modelbuild_runtime.access")

_DIGITS = 6


def log(exchange: Exchange, response: HttpResponse, seconds: float) -> None:
    """One line. Bodies are measured as they are read and made, before and after any compression; an answer in parts
    has no size yet.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    http, bound = exchange.http, exchange.bound
    fields: Dict[str, Any] = {"method": http.method, "path": http.path, "status": response.status}
    protocol = bound.name if bound is not None else exchange.protocol.name if exchange.protocol else ""
    if protocol:
        fields["protocol"] = protocol
    if bound is not None:
        fields["route"] = bound.route.path
        if bound.predicts:
            fields["model"] = exchange.served.name
    fields["request_bytes"] = len(http.body)
    fields["response_bytes"] = len(response.body)
    fields["seconds"] = round(seconds, _DIGITS)
    stages = stages_of(exchange, seconds)
    if stages:
        fields["stages"] = {stage: round(spent, _DIGITS) for stage, spent in stages.items()}
        fields["rows"] = exchange.count
    if exchange.cache:
        fields["cache"] = exchange.cache
    if exchange.ran is not None:
        fields["batch_requests"], fields["batch_rows"] = exchange.ran.requests, exchange.ran.rows
    logger.info("%s %s %d", http.method, http.path, response.status, extra={"request": exchange.id, "fields": fields})


def stages_of(exchange: Exchange, seconds: float) -> Dict[str, float]:
    """Seconds by stage, as far as a request came; empty where it did not come to the queue."""
    if not exchange.queued:
        return {}
    ran, ended = exchange.ran, exchange.received + seconds
    stages = {"decode": exchange.queued - exchange.received}
    if ran is None:
        stages["queue"] = ended - exchange.queued
        return stages
    stages["queue"] = ran.began - exchange.queued
    stages["preprocess"] = ran.preprocess
    stages["predict"] = ran.predict
    stages["postprocess"] = ran.postprocess
    stages["encode"] = ended - exchange.encoding if exchange.encoding else 0.0
    return stages
