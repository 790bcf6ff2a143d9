"""Ways in which a page can make a browser ask another host, each with its own."""

from urllib.parse import quote

PLACE = "HOST"

_ESCAPED = "url(\\68ttps\\3a\\2f\\2fHOST/a.png)"

# In the body of a page. PLACE is the host.
IN_PAGES = {
    "image": '<img src="https://HOST/a.png">',
    "plain-http": '<img src="http://HOST/a.png">',
    "upper-case": '<IMG SRC="HTTPS://HOST/a.png">',
    "protocol-relative": '<img src="//HOST/a.png">',
    "backslashes": r'<img src="\\HOST\a.png">',
    "slash-backslash": r'<img src="/\HOST/a.png">',
    "scheme-backslashes": r'<img src="https:\\HOST\a.png">',
    "scheme-one-slash": '<img src="https:/HOST/a.png">',
    "scheme-no-slash": '<img src="https:HOST/a.png">',
    "tab-within": '<img src="ht&Tab;tps://HOST/a.png">',
    "line-end-within": '<img src="https:/\n/HOST/a.png">',
    "slashes-apart": '<img src="/&Tab;/HOST/a.png">',
    "control-before": '<img src=" &#1;https://HOST/a.png">',
    "entities": '<img src="&#104;ttps&colon;&sol;&sol;HOST/a.png">',
    "srcset": '<img srcset="a.png 9x,\n//HOST/a.png 1x">',
    "source-srcset": '<picture><source srcset="//HOST/a.png"><img></picture>',
    "input-image": '<input type="image" src="//HOST/a.png">',
    "poster": '<video poster="https://HOST/a.png"></video>',
    "video": '<video preload="auto" src="https://HOST/a.webm"></video>',
    "audio-source": '<audio preload="auto"><source src="//HOST/a.mp3"></audio>',
    "track": '<video crossorigin src="a.webm"><track default src="//HOST/a.vtt">'
    "</video>",
    "iframe": '<iframe src="https://HOST/"></iframe>',
    "srcdoc": "<iframe srcdoc=\"<img src='//HOST/a.png'>\"></iframe>",
    "srcdoc-entities": '<iframe srcdoc="<img src=&amp;#47;&amp;sol;HOST/a>"></iframe>',
    "srcdoc-twice": (
        '<iframe srcdoc="<iframe srcdoc=&quot;<img src=//HOST/a>&quot;>"></iframe>'
    ),
    "embed": '<embed src="https://HOST/a.svg" type="image/svg+xml">',
    "object": '<object data="https://HOST/a.svg"></object>',
    "background": '<table background="//HOST/a.png"><tr><td>x</table>',
    "stylesheet": '<link rel="stylesheet" href="//HOST/a.css">',
    "icon": '<link rel="icon" href="https://HOST/a.ico">',
    "preload": '<link rel="preload" as="image" href="https://HOST/a.png">',
    "imagesrcset": '<link rel="preload" as="image" imagesrcset="//HOST/a.png 1x">',
    "modulepreload": '<link rel="modulepreload" href="https://HOST/a.js">',
    "prefetch": '<link rel="prefetch" href="https://HOST/a.html">',
    "preconnect": '<link rel="preconnect" href="https://HOST">',
    "dns-prefetch": '<link rel="dns-prefetch" href="//HOST">',
    "manifest": '<link rel="manifest" href="https://HOST/a.webmanifest">',
    "canonical-and-more": '<link rel="canonical stylesheet" href="https://HOST/a">',
    "style-import": "<style>@import '//HOST/a.css';</style>",
    "style-import-escaped": r"<style>@\69mport '\2f\2fHOST/a.css';</style>",
    "style-url": '<style>.u{background:url(//HOST/a.png)}</style><p class="u">x',
    "style-font": (
        "<style>@font-face{font-family:F;src:url(https://HOST/a.woff2)}"
        "</style><p style='font-family:F'>x</p>"
    ),
    "image-set": (
        "<style>.s{background:image-set('https://HOST/a.png' 1x)}</style>"
        '<p class="s">x'
    ),
    "style-variable": (
        "<style>:root{--v:url('https://HOST/a.png')} .v{background:var(--v)}</style>"
        '<p class="v">x'
    ),
    "style-attribute": '<p style="background:url(https://HOST/a.png)">x</p>',
    "style-escaped": f"<p style='background:{_ESCAPED}'>x</p>",
    "style-unclosed": '<p style="background:url(//HOST/a.png">x</p>',
    "svg-image": '<svg><image href="https://HOST/a.png"/></svg>',
    "svg-xlink": '<svg><image xlink:href="//HOST/a.png"/></svg>',
    "svg-fe-image": (
        '<svg><filter id="f"><feImage href="https://HOST/a.png"/></filter>'
        '<rect width="9" height="9" filter="url(#f)"/></svg>'
    ),
    "svg-use": '<svg><use href="https://HOST/a.svg#b"/></svg>',
    "svg-fill": '<svg><rect width="9" height="9" fill="url(https://HOST/a#b)"/></svg>',
    "svg-fill-escaped": f"<svg><rect width='9' height='9' mask='{_ESCAPED}'/></svg>",
    "svg-set": (
        '<svg><image><set attributeName="href" to="//HOST/a.png"/></image></svg>'
    ),
    "svg-animate": (
        '<svg><image><animate attributeName="href" dur="9s" values="a;//HOST/a.png"'
        ' calcMode="discrete" keyTimes="0;0.001"/></image></svg>'
    ),
    "svg-script": '<svg><script href="https://HOST/a.js"></script></svg>',
    "handler": '<img src="data:," onerror="new Image().src = \'//HOST/a.png\'">',
    "script-src": '<script src="https://HOST/a.js"></script>',
    "script-fetch": '<script>fetch("https://HOST/").catch(() => 0)</script>',
    "script-escaped": r'<script>new Image().src="\x68ttps\x3a\57\u002fHOST"</script>',
    "script-parts": '<script>new Image().src = "https:" + "//" + "HOST"</script>',
    "script-protocol": '<script>new Image().src = location.protocol + "//HOST"'
    "</script>",
    "script-template": "<script>new Image().src = `${'http'}://HOST/a`</script>",
    "script-encoded": (
        '<script>new Image().src = decodeURIComponent("https%3A%2F%2FHOST")</script>'
    ),
    "script-html": (
        '<div id="h"></div><script>h.innerHTML = "<img src=//HOST/a.png>"</script>'
    ),
    "script-socket": '<script>new WebSocket("wss://HOST/a")</script>',
    "script-beacon": '<script>navigator.sendBeacon("//HOST/a", "x")</script>',
    "script-events": '<script>new EventSource("https://HOST/a")</script>',
    "script-module": '<script type="module">import "https://HOST/a.js"</script>',
    "script-import": '<script>import("//HOST/a.js").catch(() => 0)</script>',
    "import-map": (
        '<script type="importmap">{"imports": {"m": "https://HOST/a.js"}}</script>'
        '<script type="module">import "m"</script>'
    ),
    "json": (
        '<script type="application/json" id="j">["//HOST/a.png"]</script>'
        "<script>new Image().src = JSON.parse(j.textContent)[0]</script>"
    ),
    "data-attribute": (
        '<i id="d" data-a="https://HOST/a"></i>'
        "<script>new Image().src = d.dataset.a</script>"
    ),
    "template": (
        '<template id="t"><img src="//HOST/a.png"></template>'
        "<script>document.body.append(t.content.cloneNode(true))</script>"
    ),
    "template-cell": (
        '<template id="c"><td background="&sol;&sol;HOST/a.png">x</td></template>'
        "<script>{ const r = document.createElement('tr'); const e = "
        "document.createElement('table'); r.append(c.content.cloneNode(true)); "
        "e.append(r); document.body.append(e) }</script>"
    ),
    "shadow": (
        '<div><template shadowrootmode="open"><img src="//HOST/a.png"></template></div>'
    ),
    "noscript": '<noscript><img src="https://HOST/a.png"></noscript>',
    "ping": '<a id="p" href="#" ping="/a\n//HOST/b">x</a><script>p.click()</script>',
    "attribution": '<img src="data:," attributionsrc="https://HOST/a">',
    "form": '<form action="https://HOST/"></form>',
    "formaction": '<form><button formaction="//HOST/">x</button></form>',
    "cite": '<blockquote cite="https://HOST/">x</blockquote>',
    "math": '<math href="https://HOST/"><mi>x</mi></math>',
    "link-by-script": '<a href="javascript:fetch(atob(\'x\'))" title="//HOST">x</a>',
    "link-to-other-program": '<a href="ftp://HOST/">x</a>',
    "speculation": (
        '<script type="speculationrules">{"prefetch": [{"source": "list", '
        '"urls": ["https://HOST/"]}]}</script>'
    ),
    "data-page": '<iframe src="data:text/html,'
    + quote("<img src=https://HOST/a.png>", safe="")
    + '"></iframe>',
    "data-style": (
        '<link rel="stylesheet" href="data:text/css,'
        + quote("@import 'https://HOST/a.css';", safe="")
        + '">'
    ),
    "data-script": (
        '<script src="data:text/javascript,'
        + quote("new Image().src = 'https://HOST/a'", safe="")
        + '"></script>'
    ),
    "data-drawing": (
        '<iframe src="data:image/svg+xml,'
        + quote(
            '<svg xmlns="http://www.w3.org/2000/svg">'
            '<image href="https://HOST/a.png"/></svg>',
            safe="",
        )
        + '"></iframe>'
    ),
}

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink">'

# Whole files: a name, what is in it, and how a page loads it.
FILES = {
    "refresh": (
        "refresh.html",
        "<html><head><meta http-equiv='refresh' content='0;URL=//HOST/'></head></html>",
        '<iframe src="refresh.html"></iframe>',
    ),
    "base": (
        "base.html",
        '<html><head><base href="https://HOST/"></head><img src="a.png"></html>',
        '<iframe src="base.html"></iframe>',
    ),
    "submitted": (
        "submitted.html",
        '<html><head></head><form id="f" action="//HOST/"></form>'
        "<script>f.submit()</script></html>",
        '<iframe src="submitted.html"></iframe>',
    ),
    "css-import": (
        "import.css",
        '@import url("https://HOST/a.css");',
        '<link rel="stylesheet" href="import.css">',
    ),
    "css-url": (
        "url.css",
        "html{list-style-image:url( '\\//HOST/a.png' )} li{color:red}",
        '<link rel="stylesheet" href="url.css"><ul><li>x</ul>',
    ),
    "js": (
        "classic.js",
        "/* https: */ fetch('//HOST/').catch(() => 0);",
        '<script src="classic.js"></script>',
    ),
    "mjs": (
        "module.mjs",
        'import "https://HOST/a.js";',
        '<script type="module" src="module.mjs"></script>',
    ),
    "worker": (
        "worker.js",
        "importScripts('https://HOST/a.js')",
        "<script>new Worker('worker.js')</script>",
    ),
    "svg": (
        "image.svg",
        f'{_SVG}<image x:href="https://HOST/a.png" width="9" height="9"/></svg>',
        '<iframe src="image.svg"></iframe>',
    ),
    "svg-style": (
        "style.svg",
        f"{_SVG}<style><![CDATA[@import '//HOST/a.css';]]></style></svg>",
        '<iframe src="style.svg"></iframe>',
    ),
    "svg-instruction": (
        "instruction.svg",
        f'<?xml-stylesheet href="https://HOST/a.css"?>{_SVG}</svg>',
        '<iframe src="instruction.svg"></iframe>',
    ),
    "svg-entity": (
        "entity.svg",
        '<!DOCTYPE svg [<!ENTITY e "https://HOST/a.png">]>'
        f'{_SVG}<image href="&e;" width="9" height="9"/></svg>',
        '<iframe src="entity.svg"></iframe>',
    ),
    "svg-page": (
        "page.svg",
        f'{_SVG}<foreignObject width="9" height="9"><img '
        'xmlns="http://www.w3.org/1999/xhtml" src="//HOST/a.png"/>'
        "</foreignObject></svg>",
        '<iframe src="page.svg"></iframe>',
    ),
    "xml": (
        "page.xml",
        '<a><img xmlns="http://www.w3.org/1999/xhtml" src="https://HOST/a.png"/></a>',
        '<iframe src="page.xml"></iframe>',
    ),
    "webmanifest": (
        "app.webmanifest",
        '{"name": "x", "icons": [{"src": "https://HOST/a.png", "sizes": "9x9"}]}',
        '<link rel="manifest" href="app.webmanifest">',
    ),
    "json-file": (
        "settings.json",
        '{"picture": "https://HOST/a.png"}',
        "<script>fetch('settings.json').then(a => a.json())"
        ".then(a => new Image().src = a.picture)</script>",
    ),
    "unknown-kind": ("data.bin2", "https://HOST/", ""),
}

# What the browser does not ask for by itself on the test's pages: for a click, for
# installing, for those without scripts; what it only does in a window's own page; what
# it holds back from another host; and what it does not know (other browsers might).
UNASKED = frozenset(
    {
        *("cite", "form", "formaction", "link-by-script", "link-to-other-program"),
        *("noscript", "manifest", "webmanifest", "unknown-kind"),
        *("dns-prefetch", "icon", "preconnect", "speculation"),
        *("attribution", "math", "svg-use"),
    }
)

# What the policy of a page does not reach: documents and programs of their own, and the
# connection that a browser opens ahead for a frame which it then does not load. There
# is only the reading of the files.
UNREACHED = frozenset(
    {
        *("svg", "svg-style", "svg-instruction", "svg-entity", "svg-page", "xml"),
        *("worker", "iframe"),
    }
)


def host(name: str) -> str:
    """Return the host that one plant names, and no other."""
    return f"{name}.example.com"


def planted(name: str) -> dict[str, str]:
    """Return the files with one plant, by their names."""
    if name in IN_PAGES:
        body, files = IN_PAGES[name], {}
    else:
        file, content, body = FILES[name]
        files = {file: content.replace(PLACE, host(name))}
    page = f"<!DOCTYPE html><html><head></head><body>{body}</body></html>"
    return {f"page-{name}.html": page.replace(PLACE, host(name)), **files}


PLANTS = (*IN_PAGES, *FILES)
