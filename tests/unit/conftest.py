from collections.abc import Iterator

import pytest
import torch
from filelock import FileLock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests for which the chorales have to be played are none of the quick ones."""
    for item in items:
        if "chorales" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute in one thread, here and in what tests start: workers share processors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def cache(tmp_path_factory, worker_id):
    """A cache folder of the tests' own, empty at first, the same for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def chorales(cache):
    """The book's chorales."""
    from descent.music.chorales import load_chorales

    with FileLock(cache / "lock"):  # one worker plays them, the others wait
        return load_chorales()
