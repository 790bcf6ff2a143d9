"""Chapters that have to run do so side by side, one for each processor.

Sphinx reads one page after another, and each would wait for its cells. So before the
first is read, threads begin to run all chapters whose outputs are not kept. A page that
is read then waits for its own run (`execution`). What a chapter gives does not depend
on which others run meanwhile: each has a kernel of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future


class RunsAhead:
    """Runs of chapters that have begun before they are asked for.

    Parameters
    ----------
    workers : int, optional
        How many run at once; one for each processor unless said otherwise.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is None:
            workers = len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count()
        self._places = threading.Semaphore(workers or 1)
        self._futures: dict[str, Future[None]] = {}
        self._given_up = threading.Event()

    def begin(self, runs: dict[str, Callable[[], object]]) -> None:
        """Begin runs, in the order in which they are given.

        Parameters
        ----------
        runs : dict of str to callable
            For each chapter, what runs it and keeps what came of it.
        """
        self._futures = {name: Future() for name in runs}
        # A thread that waits for its chapter does not keep a build from ending that has
        # failed at another one: daemons are left behind, and their kernels ended.
        threading.Thread(target=self._run_all, args=(runs,), daemon=True).start()

    def _run_all(self, runs: dict[str, Callable[[], object]]) -> None:
        for name, run in runs.items():
            self._places.acquire()
            if self._given_up.is_set():
                return
            threading.Thread(target=self._run, args=(name, run), daemon=True).start()

    def _run(self, name: str, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:  # belongs to the thread that waits
            self._futures[name].set_exception(error)
        else:
            self._futures[name].set_result(None)
        finally:
            self._places.release()

    def wait_for(self, name: str) -> bool:
        """Wait until a chapter has run; return whether it was among those begun.

        Parameters
        ----------
        name : str
            The chapter.

        Raises
        ------
        ChapterError
            What stopped the chapter.
        """
        future = self._futures.pop(name, None)
        if future is not None:
            future.result()
        return future is not None

    def give_up(self) -> None:
        """Begin no more runs."""
        self._given_up.set()


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")
