"""Kinds of metric."""

from enum import Enum


class MetricTypes(Enum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
