"""The style and the script of the report, and the page around its content.

The page loads nothing: its policy allows pictures inside it, its style and this one script alone, so that markup in
an untrusted text could do nothing even if it were not escaped.
"""

import base64
import hashlib
from collections.abc import Sequence

from mrcnn.report.html import Html, element, join, prose, text

STYLE = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f4f5f7;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;
--a:#0b63ce;--part-0:#2a6fbb;--part-1:#d9822b;--part-2:#8250df;--part-3:#8c959f;--bad:#b3261e;--warn:#8a5300;--mark:#b3261e}
@media(prefers-color-scheme:dark){:root{--ground:#0f1318;--panel:#181e26;--ink:#e6edf3;--soft:#9aa6b2;--line:#313a45;
--a:#6cb1ff;--part-0:#5b9fe3;--part-1:#e8a15a;--part-2:#b18cf5;--part-3:#7d8794;--bad:#ff8a80;--warn:#f0b45c;--mark:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main,header{max-width:70rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.5rem;margin:1.2rem 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.4rem 0 .5rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .4rem}
p{margin:.4rem 0;max-width:46rem}
.soft,figcaption{color:var(--soft)}
a{color:var(--a)}
a:focus-visible,summary:focus-visible,button:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--a);outline-offset:2px}
nav ul,ul.names,ul.findings{padding:0;list-style:none}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.8rem 0}
.facts{display:flex;flex-wrap:wrap;gap:.6rem;margin:1rem 0;padding:0}
.facts div{background:var(--panel);border-radius:.5rem;padding:.5rem .9rem}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
ul.findings li{border-left:4px solid var(--part-3);background:var(--panel);margin:.4rem 0;padding:.4rem .8rem;
border-radius:0 .4rem .4rem 0;overflow-wrap:anywhere}
ul.findings li.error{border-color:var(--bad)}
ul.findings li.warning{border-color:var(--warn)}
ul.findings b{margin-right:.4rem}
.error b{color:var(--bad)}
.warning b{color:var(--warn)}
ul.names li{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}
.wide{overflow-x:auto;max-width:100%;margin:.6rem 0}
table{border-collapse:collapse;font-size:.92rem}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;font-weight:400;vertical-align:top}
thead th{color:var(--soft);font-size:.85rem;white-space:nowrap}
td.n{text-align:right;font-variant-numeric:tabular-nums}
tbody th{min-width:6.5rem;max-width:16rem;overflow-wrap:anywhere}
code{background:var(--panel);border-radius:.25rem;padding:0 .2em;font-size:.92em;overflow-wrap:anywhere}
.chart{width:100%;max-width:36rem;height:auto;display:block;margin:.6rem 0;font-size:12px;fill:currentColor}
.part-0{fill:var(--part-0)}.part-1{fill:var(--part-1)}.part-2{fill:var(--part-2)}.part-3{fill:var(--part-3)}
.axis{stroke:var(--line);fill:none}.mark{stroke:var(--mark);stroke-dasharray:4 3;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:1rem;font-size:.85rem;color:var(--soft)}
.legend svg{width:.8rem;height:.8rem;margin-right:.35rem;vertical-align:-.05rem}
.pictures{display:flex;flex-wrap:wrap;gap:.8rem;align-items:flex-start}
figure{margin:0;width:11rem}
figure img{display:block;max-width:100%;height:auto;border-radius:.3rem;background:var(--panel)}
figcaption{font-size:.78rem;line-height:1.35;overflow-wrap:anywhere}
figcaption span{display:block}
figcaption span.why{color:var(--warn);font-weight:600}
.pair{display:flex;gap:.4rem;border:1px solid var(--line);border-radius:.4rem;padding:.5rem;max-width:100%}
.pair figure{width:min(11rem,42vw)}
details{margin:.4rem 0}
summary{cursor:pointer;padding:.3rem 0}
pre{background:var(--panel);padding:.8rem;border-radius:.5rem;overflow-x:auto;font-size:.9rem;margin:.5rem 0;max-width:46rem}
button{font:inherit;padding:.35rem 1rem;border:1px solid var(--line);border-radius:.4rem;background:var(--panel);
color:var(--ink);cursor:pointer}
@media(max-width:30rem){figure{width:calc(50% - .4rem)}main,header{padding:0 .75rem}}
@media print{nav,button{display:none}}
"""
SCRIPT = """
for(const button of document.querySelectorAll("button[data-copy]")){
button.hidden=false;
button.addEventListener("click",async()=>{
const source=document.getElementById(button.dataset.copy),said=button.nextElementSibling;
let done=false;
try{await navigator.clipboard.writeText(source.textContent);done=true}catch(error){
const range=document.createRange();range.selectNodeContents(source);
const chosen=getSelection();chosen.removeAllRanges();chosen.addRange(range);
try{done=document.execCommand("copy")}catch(error){done=false}}
said.textContent=done?"Copied.":"Selected: copy it with Ctrl+C.";
})}
"""


def page(title: str, *, about: str, contents: Sequence[tuple[str, str, Html]], top: Html) -> str:
    """Builds the whole file.

    Args:
        title: of the page.
        about: a line below it.
        contents: id, heading and content of each section.
        top: shown above the sections.
    """
    links = [element("li", element("a", heading, href=f"#{name}")) for name, heading, _ in contents]
    sections = [
        element("section", element("h2", heading, id=name), content, aria_labelledby=name)
        for name, heading, content in contents
    ]
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'; script-src 'sha256-{_digest(SCRIPT)}'"
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{text(title)}</title>",
        f"<style>{STYLE}</style>",
    ]
    body = join(
        [
            element("header", element("h1", title), element("p", prose(about), class_="soft"),
                    element("nav", element("ul", *links), aria_label="Sections")),
            element("main", top, *sections),
        ]
    )  # fmt: skip
    return "\n".join(
        ["<!DOCTYPE html>", '<html lang="en"><head>', *head, "</head>", f"<body>{body}", f"<script>{SCRIPT}</script>"]
        + ["</body></html>", ""]
    )


def _digest(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
