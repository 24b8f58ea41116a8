"""``python -m modelbuild`` is ``mbuild``."""

from modelbuild.cli import main

main()
