"""One model that requests can be for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import msgspec

from modelbuild_runtime.http.router import Router

if TYPE_CHECKING:
    from modelbuild_runtime.dataplane.job import Job


class Served(msgspec.Struct, frozen=True, eq=False):
    """A model that predicts: its routes, the check of a request against its contract, and its queue. ``resume`` takes
    jobs of answers that have begun; ``admit`` is asked before a request is even decoded. ``name`` is what the model is
    counted under.
    """

    router: Router
    prepare: Callable[[Job], None]
    submit: Callable[[Job], None]
    resume: Callable[[Job], None]
    admit: Callable[[], None]
    name: str = ""
