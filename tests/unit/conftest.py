from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests for which the chorales have to be played are none of the quick ones."""
    for item in items:
        if "chorales" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")
    # ... and files with such tests begin first: no worker is left alone with one.
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    ours = {*map(id, here)}
    slow = {item.path for item in here if item.get_closest_marker("slow")}
    ordered = iter(sorted(here, key=lambda item: item.path not in slow))
    items[:] = [next(ordered) if id(item) in ours else item for item in items]


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
