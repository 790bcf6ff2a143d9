"""Answers checked: what each chapter's exercises call on the reader's code.

Most exercises end in a cell such as ``check("line-count", my_count)``. The check runs
the reader's answer against cases of its own, and says either that it is right, or
which case it got wrong and what would have been right. The checks of a chapter are in
the module of the chapter's name, which is imported when one of them is asked for.

Belongs to every chapter: :doc:`/line` is the first.
"""

from descent.exercises.checking import check, verdict

__all__ = ["check", "verdict"]
