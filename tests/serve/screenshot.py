"""Makes the screenshot in docs/serving.md: `python -m tests.serve.screenshot --model DIR --image FILE --out PNG`."""

import argparse
from pathlib import Path

from mrcnn.predict.predictor import Predictor

from . import browser
from .helpers import running


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, metavar="DIR")
    parser.add_argument("--image", required=True, type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("docs/serving-page.png"), metavar="PNG")
    options = parser.parse_args()
    with running(Predictor.load(options.model, device="cpu")) as service, browser.browsing() as window:
        window.open(f"{service.url}/")
        window.wait_for("#status", "Ready")
        window.choose_file("#file", options.image.resolve())
        window.run("while (!document.querySelector('#hint').hidden) await new Promise((next) => setTimeout(next, 50))")
        options.out.write_bytes(window.screenshot())


if __name__ == "__main__":
    main()
