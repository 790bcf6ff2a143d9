"""What axe and a reader's eyes find on a page, in the light and in the dark."""

import importlib.util
from pathlib import Path

from playwright.sync_api import Page

RUN_AXE = """async () => {
    const found = await axe.run(document, {
        resultTypes: ["violations"], rules: {"color-contrast": {enabled: false}}});
    return found.violations.flatMap(violation => violation.nodes.slice(0, 3).map(
        node => `${violation.id}: ${node.html.slice(0, 150)} `
            + node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)));
}"""
# Contrast is a matter of the color, size and weight of letters and of the grounds
# below them. Pages have thousands of words, but few such ways of writing; of each
# some words are asked for, on the first page that has it.
RUN_CONTRAST = """async known => {
    const ways = new Map(), under = new Map();
    const written = element => ["INPUT", "SELECT", "TEXTAREA"].includes(element.tagName)
        || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE
            && node.textContent.trim());
    const grounds = element => {  // from an element down to the first that hides more
        if (!element) return "";
        if (!under.has(element)) {
            const style = getComputedStyle(element), seen = [];
            const {opacity, backgroundImage, backgroundColor} = style;
            if (opacity !== "1") seen.push(opacity);
            if (backgroundImage !== "none") seen.push(backgroundImage);
            if (backgroundColor !== "rgba(0, 0, 0, 0)") seen.push(backgroundColor);
            if (!backgroundColor.startsWith("rgb("))
                seen.push(grounds(element.parentElement));
            under.set(element, seen.filter(Boolean).join("; "));
        }
        return under.get(element);
    };
    for (const element of document.body.querySelectorAll("*")) {
        if (!written(element) || !element.getClientRects().length
            || !element.checkVisibility()) continue;  // folded: a box that is not seen
        const style = getComputedStyle(element);
        const way = [style.color, style.fontSize, style.fontWeight, style.position];
        if (element.closest("svg")) way.push(style.fill);
        const key = [...way, grounds(element)].join("; ");
        ways.set(key, [...(ways.get(key) ?? []), element]);
    }
    const some = [...ways].flatMap(([way, [first, ...more]]) =>
        known.includes(way) ? [] : [first, ...more.slice(-1)]);
    const found = some.length ? await axe.run({include: some}, {
        resultTypes: ["violations"],
        runOnly: {type: "rule", values: ["color-contrast"]}}) : {violations: []};
    return {ways: [...ways.keys()], bad: found.violations.flatMap(violation =>
        violation.nodes.slice(0, 3).map(node => node.html.slice(0, 150)
            + node.failureSummary.replace(/\\s+/g, " ").slice(0, 200)))};
}"""
# For all other rules, code is words: its colors are thousands of elements.
TAKE_COLORS_FROM_CODE = """() => {
    for (const pre of document.querySelectorAll("pre"))
        if (!pre.querySelector(":not(span)")) pre.textContent = pre.textContent;
}"""

# What is there while one points or scrolls counts as well; colors change at once.
SHOW_ALL = """() => {
    const style = document.createElement("style");
    style.textContent = `a.headerlink { visibility: visible !important; }
        #pst-back-to-top { display: block !important; }
        * { transition: none !important; }`;
    document.head.append(style);
}"""

# What is seen without words: icons, and the edges of fields (WCAG 1.4.11).
FIND_PALE_PARTS = """() => {
    const canvas = document.createElement("canvas").getContext(
        "2d", {willReadFrequently: true});
    const read = color => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], [R, G, B]) =>
        [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const ground = element => {
        if (!element) return [255, 255, 255, 1];
        const own = read(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own : over(own, ground(element.parentElement));
    };
    const light = color => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
        const part = color[i] / 255;
        return sum + weight
            * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
    const contrast = (a, b) => {
        const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
        return (bright + 0.05) / (dark + 0.05);
    };
    const pale = [];
    const fields = `main :is(select, textarea, input:is([type=text], [type=number],
        [type=search], :not([type])))`;
    for (const element of document.querySelectorAll(`[class*=" fa-"], ${fields}`)) {
        if (!element.getClientRects().length) continue;
        const under = ground(element.parentElement);
        const parts = [ground(element)];
        // A field may be framed by what holds its icon, too.
        const frame = element.closest("form.bd-search") ?? element;
        const {borderBottomWidth, borderBottomColor} = getComputedStyle(frame);
        if (borderBottomWidth !== "0px")
            parts.push(over(read(borderBottomColor), under));
        const best = Math.max(...parts.map(part => contrast(part, under)));
        if (best < 3)
            pale.push(`${best.toFixed(2)}: ${element.outerHTML.slice(0, 120)}`);
    }
    return pale;
}"""


def axe() -> str:
    """Return the script of axe-core."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec
    assert spec.origin
    return Path(spec.origin).with_name("axe.min.js").read_text("utf8")


class Auditor:
    """Looks at one page after the other, with folds open, for what some cannot use."""

    def __init__(self) -> None:
        self._axe = axe()
        self._known: set[str] = set()  # ways of writing, of pages without a fault

    def begin(self, page: Page) -> None:
        """Make a page ready."""
        page.evaluate(self._axe)
        page.evaluate(SHOW_ALL)

    def contrast(self, page: Page) -> tuple[list[str], int]:
        """Return what is pale, and in how many ways words are written."""
        answer = page.evaluate(RUN_CONTRAST, list(self._known))
        if not answer["bad"]:
            self._known.update(answer["ways"])
        return answer["bad"] + self.pale(page), len(answer["ways"])

    def pale(self, page: Page) -> list[str]:
        """Return which icons and fields are pale."""
        found: list[str] = page.evaluate(FIND_PALE_PARTS)
        return found

    def rules(self, page: Page) -> list[str]:
        """Return what breaks axe's other rules; colors of code are gone afterwards."""
        page.evaluate(TAKE_COLORS_FROM_CODE)
        found: list[str] = page.evaluate(RUN_AXE)
        return found
