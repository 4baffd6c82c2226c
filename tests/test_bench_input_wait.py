import sys

from benchmarks import input_wait


def test_measure_reads_the_history_of_a_run(tmp_path, monkeypatch, capsys):
    """A run that only writes its history stands in for a training."""

    def train(config, *, project_dir, output_dir, log):
        lines = ["epoch,loss,images_per_second,train_seconds,input_wait"]
        lines += [f"{epoch + 1},1.0,20.0,2.5,{'' if epoch else 0.25}" for epoch in range(config.epochs)]
        (tmp_path.__class__(output_dir) / "history.csv").write_text("\n".join(lines) + "\n")

    monkeypatch.setattr(input_wait, "train", train)
    config = tmp_path / "config.json"
    config.write_text('{"epochs": 40, "weights_init_type": "random"}')
    first, second = input_wait.measure(config, tmp_path, epochs=2)
    assert first == {"epoch": "1", "train_seconds": "2.5", "images_per_second": "20.0", "input_wait": "0.25"}
    assert (second["epoch"], second["input_wait"]) == ("2", "")
    monkeypatch.setattr(sys, "argv", ["input_wait", str(config), str(tmp_path), "--epochs", "1"])
    input_wait.main()
    assert capsys.readouterr().out.splitlines()[1].split() == ["1", "2.5", "20.0", "0.25"]
