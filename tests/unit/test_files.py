"""Files are written whole or not at all, and others may read them."""

import os

import pytest

from descent.files import code_digest, replacing


@pytest.fixture(params=[0o022, 0o027])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_who_may_read_it_is_decided_by_the_umask(tmp_path, umask):
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"all of it")
    assert path.read_bytes() == b"all of it"
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with replacing(path) as file, replacing(path) as other:  # two at once
        file.write(b"new")
        other.write(b"another")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with replacing(path) as file:
            file.write(b"half of it")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_digest_of_code_sees_what_a_program_does_and_no_words(tmp_path):
    def digest(text):
        file = tmp_path / "program.py"
        file.write_text(text)
        return code_digest(file)

    plain = digest("x = 1\n\n\ndef f(a):\n    return 'a' + a\n")
    explained = digest(
        '"""A program."""\n\nx = 1  # one\n"""What x is."""\n\n\n'
        "def f(a):\n    '''Say a.'''\n    # Twice.\n    return 'a' + a\n"
    )
    assert explained == plain
    assert digest("x = 1\n\n\ndef f(a):\n    return 'b' + a\n") != plain
    with pytest.raises(SyntaxError):
        digest("x = = 1")
