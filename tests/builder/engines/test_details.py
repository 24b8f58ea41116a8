from __future__ import annotations

from modelbuild.engines.details import describe, described_layers, digest_of

DIFFS = ["sha256:0", "sha256:1", "sha256:2"]


def entry(text, size):
    return {"CreatedBy": text, "Size": size}


# As both builders of Docker 20.10 write it, the newest first.
BUILDKIT = [
    entry("LABEL a=b", 0),
    entry('CMD ["serve"]', 0),
    entry("COPY model/ / # buildkit", 9),
    entry("COPY server/ / # buildkit", 5),
    entry("ENV A=b", 0),
    entry("Imported from -", 100),
]
CLASSIC = [
    entry("/bin/sh -c #(nop)  LABEL a=b", 0),
    entry("/bin/sh -c #(nop) COPY dir:408031c79e5c in / ", 9),
    entry("/bin/sh -c #(nop) COPY dir:8c1691f27b5e in / ", 5),
    entry("Imported from -", 100),
]


def named(layers):
    return [(layer.name, layer.size) for layer in layers]


def test_names_out_of_buildkits_history():
    assert named(described_layers(DIFFS, BUILDKIT, {})) == [("base", 100), ("server", 5), ("model", 9)]


def test_the_label_names_what_the_classic_builder_does_not():
    found = described_layers(DIFFS, CLASSIC, {"mbuild.layers": "server model"})
    assert named(found) == [("base", 100), ("server", 5), ("model", 9)]
    assert [layer.diff_id for layer in found] == DIFFS


def test_a_layer_of_nothing_is_a_layer():
    history = [entry("WORKDIR /opt", 0), *BUILDKIT]
    assert named(described_layers([*DIFFS, "sha256:3"], history, {}))[-1] == ("base", 0)


def test_a_history_that_does_not_fit_gives_no_sizes():
    assert named(described_layers(DIFFS, BUILDKIT[:3], {"mbuild.layers": "model"})) == [
        ("base", 0),
        ("base", 0),
        ("model", 0),
    ]


def test_an_image():
    details = {
        "Id": "sha256:abc",
        "Os": "linux",
        "Architecture": "arm64",
        "Variant": "v8",
        "Size": 114,
        "RootFS": {"Layers": DIFFS},
        "RepoDigests": ["other/fraud@sha256:" + "11" * 32, "localhost:5000/fraud@sha256:" + "22" * 32],
        "Config": {"Labels": None, "Env": ["A=b=c", "broken"]},
    }
    found = describe(details, BUILDKIT, "localhost:5000/fraud:1")
    assert found.image.platform == "linux/arm64/v8"
    assert found.image.digest == "sha256:" + "22" * 32
    assert found.environment == {"A": "b=c"}
    assert found.labels == {}


def test_the_digest_of_another_name_is_not_its_digest():
    details = {"Id": "sha256:abc", "RepoDigests": ["other/fraud@sha256:" + "11" * 32, "<none>@<none>"]}
    assert digest_of(details, "fraud:1") == ""
    assert digest_of(details, "sha256:abc") == ""
    assert digest_of(details, "x@sha256:" + "33" * 32) == "sha256:" + "33" * 32
