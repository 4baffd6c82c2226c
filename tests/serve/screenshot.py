"""Makes the screenshots of docs/serving.md: `python -m tests.serve.screenshot --model DIR --images FILE ...`."""

import argparse
from pathlib import Path

from mrcnn.predict.predictor import Predictor

from . import browser
from .helpers import running

SHOWN = """
    const drawn = () => loaded === gallery.current && view.masks.size === gallery.current.objects.length;
    const ready = () => byId("status").textContent.includes("shown") && !gallery.busy && drawn();
    await gallery.thumbs;
    while (!ready()) await new Promise((next) => setTimeout(next, 50));
    await new Promise((next) => setTimeout(next, 200));
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, metavar="DIR")
    parser.add_argument("--images", required=True, nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("docs/serving-page.png"), metavar="PNG")
    parser.add_argument(
        "--size", nargs=2, type=int, default=(1280, 800), metavar=("WIDTH", "HEIGHT"), help="CSS pixels"
    )
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--whole", action="store_true", help="the whole page, not only the part that the window shows")
    parser.add_argument("--score-threshold", type=float, help="of the service, instead of the model's")
    options = parser.parse_args()
    predictor = Predictor.load(options.model, device="cpu", score_threshold=options.score_threshold)
    with running(predictor) as service, browser.browsing() as window:
        width, height = options.size
        window.resize(width, height, dark=options.dark)
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        window.choose_file("#file", *(path.resolve() for path in options.images))
        window.run(SHOWN)
        if options.whole:
            window.resize(width, window.run("return document.documentElement.scrollHeight"), dark=options.dark)
            window.run(SHOWN)
        options.out.write_bytes(window.screenshot())


if __name__ == "__main__":
    main()
