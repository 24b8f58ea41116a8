"""Run by the interpreter of a base, of any version: compile what is listed on stdin, say where each result goes."""

import importlib.util
import py_compile
import sys
from pathlib import Path

folder = Path(sys.argv[1])
for line in sys.stdin.read().splitlines():
    number, path = line.split("\t")
    source, target = (str(folder / (number + ending)) for ending in (".py", ".pyc"))
    try:
        py_compile.compile(
            source, target, dfile=path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
        )
    except py_compile.PyCompileError:
        continue  # a file that is meant not to compile, such as a template
    sys.stdout.write(number + "\t" + importlib.util.cache_from_source(path) + "\n")
