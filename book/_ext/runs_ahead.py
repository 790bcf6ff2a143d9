"""Chapters that have to run do so side by side, one for each processor.

Sphinx reads one page after another, and each would wait for its cells. So before the
first is read, threads begin to run all chapters whose outputs are not kept. A page that
is read then waits for its own run (`execution`). What a chapter gives does not depend
on which others run meanwhile: each has a kernel of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future


class RunsAhead:
    """Runs of chapters that begin before they are asked for.

    Parameters
    ----------
    runs : dict of str to callable
        For each chapter, what runs it and keeps what came of it; they begin in this
        order, one for each processor at once.
    reasons : dict of str to str
        Why each of them has to run.
    """

    def __init__(
        self, runs: Mapping[str, Callable[[], object]], reasons: dict[str, str]
    ) -> None:
        self.reasons = reasons
        has_affinity = hasattr(os, "sched_getaffinity")
        workers = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
        self._places = threading.Semaphore(workers or 1)
        self._futures: dict[str, Future[None]] = {name: Future() for name in runs}
        self._given_up = threading.Event()
        # A build that has failed at one chapter does not wait for the others: daemons
        # are left behind, and their kernels ended.
        threading.Thread(target=self._run_all, args=(runs,), daemon=True).start()

    def _run_all(self, runs: Mapping[str, Callable[[], object]]) -> None:
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

    def wait_for(self, name: str) -> None:
        """Wait until a chapter has run.

        Parameters
        ----------
        name : str
            The chapter.

        Raises
        ------
        ChapterError
            What stopped the chapter.
        """
        self._futures[name].result()

    def give_up(self) -> None:
        """Begin no more runs."""
        self._given_up.set()
