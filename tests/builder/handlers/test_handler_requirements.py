"""What a handler needs installed: by its imports, and as it declares."""

from __future__ import annotations

import pytest

from modelbuild.errors import HandlerError
from modelbuild.handlers.handler import read_handler

PREPROCESS = "def preprocess(inputs):\n    return inputs\n"


def test_imports_become_distributions(write):
    handler = read_handler(
        write(
            {
                "features.py": """
import cv2, yaml, json, os.path
from PIL import Image
from sklearn.preprocessing import StandardScaler
from google.cloud import storage
import requests.sessions as s
def preprocess(inputs):
    import bs4
    with open("x"):
        from dateutil import parser
    import importlib
    importlib.import_module("lxml.etree")
    return inputs
"""
            }
        )
    )
    assert handler.imports == ("PIL", "bs4", "cv2", "dateutil", "google", "lxml", "requests", "sklearn", "yaml")
    assert handler.requirements == (
        "beautifulsoup4",
        "google-cloud-storage",
        "lxml",
        "opencv-python-headless",
        "pillow",
        "python-dateutil",
        "pyyaml",
        "requests",
        "scikit-learn",
    )


def test_what_the_code_does_without_is_not_required(write):
    handler = read_handler(
        write(
            {
                "features.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import only_for_types
try:
    import orjson
except ImportError:
    import ujson as orjson
try:
    import fast
except (ImportError, OSError):
    fast = None
"""
                + PREPROCESS
            }
        )
    )
    assert handler.requirements == ("fast", "orjson")


def test_what_the_server_brings_is_not_required(write):
    handler = read_handler(
        write({"h.py": "import ts.utils.util, mms, modelbuild_runtime\ndef handle(data, context): ...\n"})
    )
    assert handler.requirements == ()


def test_a_block_declares(write):
    handler = read_handler(
        write(
            {
                "features.py": """# /// script
# requires-python = ">=3.10,<3.13"
# dependencies = [
#   "pandas==2.2.*",
#   "opencv-python",
#   "acme-features>=2; python_version > '3'",
# ]
# ///
import pandas, cv2, acme, numpy
"""
                + PREPROCESS,
                "requirements.txt": "ignored",
            }
        )
    )
    assert handler.python == "<3.13,>=3.10"
    assert handler.requirements == (
        "pandas==2.2.*",
        "opencv-python",
        'acme-features>=2; python_version > "3"',
        "numpy",
    )


@pytest.mark.parametrize(
    "block, message",
    [
        ("# dependencies = [", "is no TOML"),
        ('# dependencies = "pandas"', "must be a list"),
        ('# dependencies = ["pandas =!= 1"]', "'pandas =!= 1'"),
        ('# requires-python = "three"', "'requires-python'"),
        ("# dependencies = []\n# ///\n\n# /// script\n# dependencies = []", "2 PEP 723 blocks"),
    ],
)
def test_blocks_that_are_wrong(block, message, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"features.py": f"# /// script\n{block}\n# ///\n{PREPROCESS}"}))
    assert message in caught.value.message


def test_a_requirements_file_declares(write):
    handler = read_handler(
        write(
            {
                "features.py": "import pandas, numpy, acme\n" + PREPROCESS,
                "requirements.txt": """\ufeff# what we need
pandas>=2 \\
    --hash=sha256:00 \\
    --hash=sha256:11
--prefer-binary
-r more.txt
acme-features[fast]==1.0   # ours
""",
                "more.txt": "Requests ; python_version >= '3.9'\n",
            }
        )
    )
    assert handler.requirements == (
        "pandas>=2",
        'Requests; python_version >= "3.9"',
        "acme-features[fast]==1.0",
        "numpy",
    )


@pytest.mark.parametrize(
    "text, message, hint",
    [
        ("--index-url https://x/simple", "has the option --index-url", "mbuild's --index-url"),
        ("--extra-index-url=https://x", "has the option --extra-index-url", "mbuild's --extra-index-url"),
        ("-e .", "has the option -e", "--find-links"),
        ("./wheels/acme-1.0-py3-none-any.whl", "no requirement", "--find-links"),
        ("git+https://host/acme.git", "no requirement", "--find-links"),
        ("acme @ git+ssh://host/acme.git", "from git+ssh", "--find-links"),
        ("acme == ", "no requirement", "NAME==VERSION"),
        ("-r gone.txt", "gone.txt cannot be read", ""),
        ("-r requirements.txt", "includes itself", "circle"),
    ],
)
def test_requirements_files_that_are_wrong(text, message, hint, write):
    with pytest.raises(HandlerError) as caught:
        read_handler(write({"features.py": PREPROCESS, "requirements.txt": text}))
    assert message in caught.value.message
    assert hint in caught.value.hint
