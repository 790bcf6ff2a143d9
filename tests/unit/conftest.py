import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """An empty cache folder of the tests' own, the same for all of them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def chorales(cache):
    """The book's chorales."""
    from descent.music.chorales import load_chorales

    return load_chorales()
