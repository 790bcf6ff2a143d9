"""Facts of the book are read from the one place that has them."""

from pathlib import Path

import pytest

import book


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "_toc.yml").write_text(
        "root: index\nparts:\n- numbered: true\n  chapters:\n  - file: b\n  - file: a\n"
        "- chapters:\n  - file: z\n"
    )
    (tmp_path / "_config.yml").write_text(
        "repository: {url: 'https://github.com/somebody/some-book', branch: trunk}\n"
    )
    (tmp_path / "book").mkdir()
    for name in ("index", "a", "b", "z"):
        (tmp_path / "book" / f"{name}.md").write_text(
            f"---\nx: 1\n---\n# Page {name}\n"
        )
    with (tmp_path / "book" / "a.md").open("a") as page:
        page.write("```{code-cell} ipython3\n# A remark\n```\n:::{exercise}\n")
    return tmp_path


def test_pages_come_in_the_order_in_which_they_are_read(small: Path):
    assert book.table_of_contents(small) == ["index", "b", "a", "z"]
    assert book.numbered_chapters(small) == ["b", "a"]
    assert book.with_cells(small) == ["a"]
    assert book.with_exercises(small) == ["a"]


def test_a_title_is_the_first_heading(small: Path):
    assert book.title("a", small) == "Page a"
    (small / "book" / "a.md").write_text("No heading.\n")
    with pytest.raises(ValueError, match=r"^book/a\.md has no title$"):
        book.title("a", small)


def test_glued_numbers_have_their_types(tmp_path: Path):
    folder = tmp_path / "jupyter_execute"
    folder.mkdir()
    (folder / "a.glue.json").write_text(
        '{"rate": {"data": {"text/plain": "0.25"}},'
        ' "who": {"data": {"text/plain": "\'Adam\'"}}}'
    )
    assert book.glued("a", tmp_path) == {"rate": 0.25, "who": "Adam"}
    assert book.glued("b", tmp_path) == {}


def test_links_lead_to_the_repository_or_to_the_fork(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    assert book.repository(small) == ("somebody", "some-book", "trunk")
    monkeypatch.setenv("GITHUB_REPOSITORY", "alice/fork")
    assert book.repository(small) == ("alice", "fork", "trunk")
