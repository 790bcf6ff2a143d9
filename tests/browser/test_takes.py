"""The player for takes: it keeps the place, plays alone, and loads when asked."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from visiting import DARK, DESKTOP, PHONE, listen

from book import SITE

# So long no sound ends by itself during a test, however busy the machine is.
LONG = 500

# Notes the length of each sound, when it begins, and from which place.
WATCH = f"""
window.begun = [];
window.lengths = [];
const decode = BaseAudioContext.prototype.decodeAudioData;
BaseAudioContext.prototype.decodeAudioData = async function (data) {{
    lengths.push((await decode.call(this, data)).duration);
    return new AudioBuffer({{length: {LONG} * 8000, sampleRate: 8000}});
}};
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when, place) {{
    window.begun.push({{when, place}});
    return start.call(this, when, place);
}};
"""
PLACE = "box => Number(box.style.getPropertyValue('--place'))"


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = DESKTOP.open(browser)
    made.add_init_script(WATCH)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """Return the chapter with three players, on which nothing has gone wrong."""
    opened = context.new_page()
    problems = listen(opened, address.split("/")[2])

    def lengthen(route: Route) -> None:
        text = route.fetch().text()
        for name in ("data-seconds", "max"):
            text = text.replace(f'{name}="5"', f'{name}="{LONG}"')
        route.fulfill(body=text, content_type="text/html")

    opened.route("**/separation.html", lengthen)
    opened.goto(f"{address}separation.html")
    yield opened
    assert problems == []
    opened.close()


def sounding(box: Locator) -> None:
    """Wait until a player's chosen take is to be heard."""
    sound = box.locator("input:checked").get_attribute("data-sound")
    assert sound
    expect(box).to_have_attribute("data-sounds", sound)


def play(box: Locator) -> None:
    box.get_by_role("button", name="Play").click()
    sounding(box)


def test_a_change_of_takes_goes_on_at_the_same_place(page: Page):
    box = page.locator(".takes").nth(1)
    play(box)
    for name in ("violin, true", "violin, estimate at step 20", "mixture"):
        box.get_by_label(name, exact=True).check()
        sounding(box)
    begun = page.evaluate("begun")
    assert len(begun) == 4
    assert begun[0]["place"] == 0
    # On the clock of the sounds all are one run.
    for one in begun:
        behind = (one["when"] - begun[0]["when"]) - one["place"]
        assert abs(behind) < 1e-3, begun


def test_the_length_that_is_said_before_anything_loads_is_the_sounds_own(
    context: BrowserContext, address: str
):
    page = context.new_page()
    for number in range(3):
        # Anew for each: a sound that two of them share is decoded once.
        page.goto(f"{address}separation.html")
        box = page.locator(".takes").nth(number)
        expect(box.locator(".takes-time")).to_have_text("0:00 / 0:05")
        said = float(box.get_attribute("data-seconds") or 0)
        play(box)
        assert page.evaluate("lengths")[0] == pytest.approx(said, abs=1e-3)
    assert page.locator(".takes").count() == 3
    page.close()


def test_one_player_sounds_at_a_time(page: Page):
    first, second = (page.locator(".takes").nth(place) for place in (0, 1))
    play(first)
    play(second)
    assert first.get_attribute("data-sounds") is None
    expect(first.get_by_role("button")).to_have_accessible_name("Play")
    expect(second.get_by_role("button")).to_have_accessible_name("Pause")
    # A player of the browser's own, as a cell that runs in the page shows it.
    page.evaluate(
        """() => {
            const audio = document.body.appendChild(new Audio());
            audio.dispatchEvent(new Event("play"));
            audio.remove();
        }"""
    )
    assert second.get_attribute("data-sounds") is None
    expect(second.get_by_role("button")).to_have_accessible_name("Play")


def test_the_place_moves_is_set_and_rests(page: Page):
    box = page.locator(".takes").first
    slider = box.get_by_role("slider", name="Place in the sound")
    picture = box.locator(".take-picture").nth(1)
    # A click on a picture chooses its take and the place, without a sound.
    size = picture.bounding_box()
    assert size
    picture.click(position={"x": size["width"] / 2, "y": 10})
    expect(box.get_by_label("violin alone")).to_be_checked()
    assert box.evaluate(PLACE) == pytest.approx(0.5, abs=0.01)
    assert page.evaluate("begun") == []
    # By keyboard from there: it plays, moves, and rests where it was stopped.
    button = box.get_by_role("button")
    button.focus()
    page.keyboard.press("Enter")
    sounding(box)
    page.wait_for_function(f"({PLACE})(document.querySelector('.takes')) > 0.502")
    page.keyboard.press("Enter")
    expect(box.get_by_role("button", name="Play")).to_be_visible()
    rest = box.evaluate(PLACE)
    assert rest > 0.502
    assert page.evaluate("begun")[0]["place"] == pytest.approx(LONG / 2, abs=1)
    spoken = f"{LONG * rest:.1f} of {LONG} seconds"
    assert slider.get_attribute("aria-valuetext") == spoken
    slider.focus()
    page.keyboard.press("Home")
    assert box.evaluate(PLACE) == 0
    # At the end it stops by itself, and is ready to begin anew.
    page.keyboard.press("End")
    assert box.evaluate(PLACE) == 1
    button.press("Enter")
    page.wait_for_function(f"({PLACE})(document.querySelector('.takes')) === 0")
    expect(box.get_by_role("button", name="Play")).to_be_visible()


@pytest.mark.parametrize("form", [PHONE, DARK])
def test_the_landing_page_plays_from_a_folder_too(browser: Browser, form):
    context = form.open(browser)
    context.add_init_script(WATCH)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{SITE.as_uri()}/index.html")
    box = page.locator(".takes")
    assert not [url for url in asked if "_sounds" in url and url.endswith(".js")]
    button = box.get_by_role("button", name="Play")
    button.scroll_into_view_if_needed()
    seen = box.locator(".take-picture:visible")
    expect(seen).to_have_count(1)
    size = button.bounding_box()
    assert size
    assert min(size["width"], size["height"]) >= 44
    play(box)
    box.get_by_label("violin, estimate at step 400").check()
    sounding(box)
    expect(seen.get_by_role("img")).to_have_accessible_name(
        "Spectrogram of: violin, estimate at step 400"
    )
    ground = box.evaluate("box => getComputedStyle(box).backgroundColor")
    assert ground == "rgba(0, 0, 0, 0)"
    context.close()


def test_a_sound_that_does_not_come_is_told_and_asked_for_again(
    context: BrowserContext, address: str
):
    page = context.new_page()
    page.goto(f"{address}separation.html")
    page.route("**/_sounds/*.js", lambda route: route.abort())
    box = page.locator(".takes").first
    box.get_by_role("button", name="Play").click()
    expect(box.get_by_role("status")).to_have_text("This sound could not be loaded.")
    page.unroute("**/_sounds/*.js")
    play(box)
    expect(box.get_by_role("status")).to_have_text("")
    page.close()


def test_without_scripts_every_take_has_a_player_of_its_own(
    browser: Browser, address: str
):
    context = DESKTOP.open(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}separation.html")
    box = page.locator(".takes").first
    expect(box.locator(".takes-transport")).to_be_hidden()
    players = box.locator("audio[controls][preload=none]")
    expect(players).to_have_count(3)
    expect(players.first).to_be_visible()
    context.close()
