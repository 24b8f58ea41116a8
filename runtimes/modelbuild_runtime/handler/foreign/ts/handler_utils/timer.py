"""Measuring the steps of a handler."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable


def timed(func: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose time goes to the handler's metrics, where the model's configuration asks for a profile."""

    @functools.wraps(func)
    def measured(self: Any, *args: Any, **kwargs: Any) -> Any:
        context = getattr(self, "context", None)
        config = getattr(context, "model_yaml_config", None) or {}
        began = time.perf_counter()
        result = func(self, *args, **kwargs)
        if context is not None and config.get("handler", {}).get("profile"):
            context.metrics.add_time(f"ts_handler_{func.__name__}", (time.perf_counter() - began) * 1000)
        return result

    return measured
