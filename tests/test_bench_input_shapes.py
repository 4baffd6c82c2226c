import json
import sys

from benchmarks import input_shapes


def test_main_prints_the_pixels_and_the_shapes(tmp_path, monkeypatch, capsys):
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps({"images": [{"height": 480, "width": 640}] * 3 + [{"height": 640, "width": 480}]}))
    monkeypatch.setattr(sys, "argv", ["input_shapes", str(path)])
    input_shapes.main()
    # 480 x 640 is enlarged to 800 x 1067, which 832 x 1088 holds: 832 * 1088 / 1344**2 = 0.501
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "4 images, min_dim 800, max_dim 1344",
        "squares 1.000 of the pixels of squares",
        "rectangles, inference 0.501 of the pixels of squares",
        "rectangles, training (3 shapes) 0.501 of the pixels of squares",
        "832 x 1088 3 images",
        "1088 x 832 1 images",
        "1088 x 1088 0 images",
    ]
