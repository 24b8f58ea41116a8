"""A Python base image for machines that cannot reach a hub: ``mbuild base``."""

from modelbuild.base.archive import BaseTar
from modelbuild.base.build import build_base
from modelbuild.base.load import load_base
from modelbuild.base.options import BaseOptions

__all__ = ["BaseOptions", "BaseTar", "build_base", "load_base"]
