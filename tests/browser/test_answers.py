"""Answers on the page: what `check` says, what stays, what is there without scripts."""

import ast
import re

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, expect
from visiting import DESKTOP, listen

from book import SITE, with_exercises
from descent.exercises import answers, verdict
from descent.exercises.answers import Choice
from descent.exercises.checking import check_of, labels

# What readers type into a field for a number.
TYPED = (
    *("", "0", "-3", "+7", "007", "4.0", "1/3", "-5/60", "99", "1e9", "123456789"),
    *("12345.678", "999999.5", "0.00001234", "1.5E-7", "1e400", ".5", "2.", "5e2"),
    *("about four", "it's", 'so "four"', "both ' and \"", r"1\2", "1/2/3"),
    *("4,603", "7,5", "99 %", "0,500", "−1e−5", "−3/−4"),
)

CHECK = """cases => cases.map(([label, texts]) => {
    const form = document.querySelector(`[data-answer=${label}]`);
    const fields = [...form.querySelectorAll("input, select")];
    fields.forEach((field, place) => (field.value = texts[place]));
    form.requestSubmit();
    return form.querySelector("output").value;
})"""


def asked_on_pages() -> dict[str, answers.Answer]:
    """Return all answers that are numbers or choices, by their exercises' labels."""
    for label in labels():
        check_of(label)
    return {label: describe() for label, describe in answers._answers.items()}


def candidates(field: answers.Field) -> list[str]:
    """Return what a reader may put into a field, the right answer first."""
    if isinstance(field, Choice):
        words = sorted(map(str, field.options), key=str(field.right).__ne__)
        return [*words, ""]
    right = float(field.right)
    near = field.tolerance * (1 + abs(right))
    return [
        repr(field.right),
        *(repr(right + by * near) for by in (0.9, -0.9, 1.1, -1.1)),
        *TYPED,
    ]


def in_code(field: answers.Field, text: str) -> object:
    """Return what a reader would write in a cell for what stands in a field."""
    if not text:
        return ...
    text = text.replace("−", "-")  # as the book prints it
    if isinstance(field, Choice):
        return next(option for option in field.options if str(option) == text)
    if re.fullmatch(r"[^/]+/[^/]+", text):
        above, below = map(float, text.split("/"))
        return above / below
    try:
        plain = re.sub(r"^([+-]?[1-9]\d{0,2}),(?=\d{3}$)", r"\1", text)
        value = ast.literal_eval(re.sub(r"^(\+?)0+(?=\d+$)", r"\1", plain))
    except (SyntaxError, ValueError):
        return text
    return value if isinstance(value, int | float) else text


def test_a_field_says_what_check_says(browser: Browser):
    cases, wanted = [], []
    for label, answer in asked_on_pages().items():
        all_right = [candidates(field)[0] for field in answer.fields]
        attempts = [all_right, [candidates(field)[-2] for field in answer.fields]]
        for place, field in enumerate(answer.fields):
            for text in candidates(field):
                attempts.append([*all_right[:place], text, *all_right[place + 1 :]])
        for texts in attempts:
            values = [in_code(f, t) for f, t in zip(answer.fields, texts, strict=True)]
            whole: object = values[0]
            if isinstance(answer.asked, tuple):
                whole = tuple(values)
            elif isinstance(answer.asked, dict):
                whole = dict(zip(answer.asked, values, strict=True))
            cases.append((label, texts))
            wanted.append(verdict(label, whole).message)
    assert len(cases) > 500
    forms = [
        str(form)
        for name in with_exercises()
        for form in BeautifulSoup(
            (SITE / f"{name}.html").read_text("utf8"), "html.parser"
        ).select("form.answer")
    ]
    page = browser.new_page()
    problems = listen(page, "")
    page.set_content("".join(forms))
    page.add_script_tag(path=SITE / "_static" / "answers.js")
    said = page.evaluate(CHECK, cases)
    page.close()
    assert problems == []
    for case, page_says, check_says in zip(cases, said, wanted, strict=True):
        assert page_says == check_says, case
    assert {"Right.", "Not answered yet."} <= set(said)


@pytest.mark.parametrize("from_disk", [False, True])
def test_a_reader_with_a_keyboard_solves_an_exercise(browser, address, from_disk):
    context = DESKTOP.open(browser)
    page = context.new_page()
    problems = listen(page, "" if from_disk else address.split("/")[2])
    page.goto(f"{SITE.as_uri() if from_disk else address.rstrip('/')}/clipping.html")
    field = page.get_by_label("The longest length")
    form = page.locator("form.answer", has=field)
    title = page.locator("#clipping-each > .admonition-title")
    entry = page.locator(".bd-sidebar-secondary a[href='#exercises']")
    said = form.get_by_role("status")
    field.focus()
    page.keyboard.type("16")
    page.keyboard.press("Enter")
    expect(said).to_have_text(verdict("clipping-each", 16).message)
    expect(title).not_to_contain_text("solved")
    page.keyboard.press("Control+A")
    page.keyboard.type("4")
    page.keyboard.press("Tab")
    expect(
        form.get_by_role("button", name="Check your answer to exercise")
    ).to_be_focused()
    page.keyboard.press("Space")
    expect(said).to_have_text("Right.")
    expect(title).to_contain_text("(solved)")
    expect(entry).to_have_attribute("data-solved", "1/2")
    page.reload()
    expect(title).to_contain_text("(solved)")
    expect(field).to_have_value("4")
    # What was kept is looked at again: an answer that is not right has no tick.
    page.evaluate("localStorage['descent-answers'] = '{\"clipping-each\": [\"5\"]}'")
    page.reload()
    expect(field).to_have_value("")
    expect(title).not_to_contain_text("solved")
    page.evaluate("localStorage['descent-answers'] = 'not ours'")
    page.reload()
    expect(field).to_have_value("")
    assert [p for p in problems if not (from_disk and "file:" in p)] == []
    context.close()


def test_without_scripts_and_on_paper_there_is_no_field(browser, address):
    context = DESKTOP.open(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}clipping.html")
    expect(page.locator("#clipping-each")).to_be_visible()
    for form in page.locator("form.answer").all():
        expect(form).to_be_hidden()
    context.close()
    context = DESKTOP.open(browser)
    page = context.new_page()
    page.goto(f"{address}clipping.html")
    page.emulate_media(media="print")
    for part in page.locator("form.answer, .exercise-places").all():
        expect(part).to_be_hidden()
    context.close()
