from modelbuild_runtime.http.identity import RequestIds


def test_ids_differ_within_and_among_processes():
    ids = [RequestIds() for _ in range(3)]
    made = [one.new() for one in ids for _ in range(1000)]
    assert len(set(made)) == 3000
    assert all(len(one) == 18 and one.isalnum() for one in made)


def test_a_client_s_sane_id_is_kept():
    ids = RequestIds()
    assert ids.of(b"Root=1-67891233-abcdef012345678912345678") == "Root=1-67891233-abcdef012345678912345678"
    for forged in (None, b"", b"a b", b"a\tb", b"\xff", b"x" * 129):
        assert len(ids.of(forged)) == 18
