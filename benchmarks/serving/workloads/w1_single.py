"""W1 with a feature step that takes one record at a time, as one writes it with no batch in mind."""

from workloads import w1

TITLE = "W1 with a feature step that takes single records only"
MODEL = w1.MODEL
HANDLER = w1.HERE / "features_single.py"
PACKAGE = w1.PACKAGE
CONNECTIONS = (32,)
LOOPS = {"W1-single": "mbuild"}
make = w1.make
questions = w1.questions
