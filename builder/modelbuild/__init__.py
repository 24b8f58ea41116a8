"""mbuild: from a trained model and a feature module to a verified image with a fast server inside."""

from importlib.metadata import version

__version__ = version("modelbuild")
