import importlib.util
import sys
from types import ModuleType, SimpleNamespace

import pytest

MODULE = "mrcnn.train.codecarbon_meter"


class FakeTracker:
    """The calls of `codecarbon.OfflineEmissionsTracker` that are used; counts them."""

    def __init__(self, **settings):
        self.settings, self.calls = settings, []
        FakeTracker.made = self

    def start(self):
        self.calls.append("start")

    def flush(self):
        self.calls.append("flush")
        name = {"DEU": "Germany"}.get(self.settings["country_iso_code"])
        total = SimpleNamespace(energy_consumed=0.5, emissions=0.2, country_name=name)
        if "start" in self.calls:
            self.settings["output_handlers"][0].out(total, None)

    def stop(self):
        self.calls.append("stop")


@pytest.fixture
def meter(monkeypatch):
    """Imports the module with a fake of the package."""
    package, output = ModuleType("codecarbon"), ModuleType("codecarbon.output")
    package.OfflineEmissionsTracker, package.__version__ = FakeTracker, "3.0"
    output.BaseOutput, output.EmissionsData = object, object
    monkeypatch.setitem(sys.modules, "codecarbon", package)
    monkeypatch.setitem(sys.modules, "codecarbon.output", output)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield importlib.import_module(MODULE)
    sys.modules.pop(MODULE, None)


def test_meter_reads_the_totals(meter):
    found = meter.CodeCarbonMeter("DEU")
    assert found.read() is None
    found.start()
    energy = found.read()
    assert (energy.kwh, energy.kg_co2, energy.source, energy.country) == (0.5, 0.2, "CodeCarbon 3.0", "DEU")
    found.stop()
    assert FakeTracker.made.calls == ["flush", "start", "flush", "stop"]


def test_meter_sends_and_writes_nothing(meter):
    meter.CodeCarbonMeter("DEU")
    settings = FakeTracker.made.settings
    closed = [name for name, value in settings.items() if name.startswith("save_to_") and value is False]
    assert len(closed) == 5
    assert settings["emissions_endpoint"] is None


def test_meter_of_an_unknown_country_has_none(meter):
    found = meter.CodeCarbonMeter("XXX")
    found.start()
    assert found.read().country == ""


@pytest.mark.filterwarnings("ignore")  # of the package
def test_meter_with_the_real_package(tmp_path, monkeypatch):
    if importlib.util.find_spec("codecarbon") is None:
        pytest.skip("`pip install -r requirements-extras.txt` installs codecarbon")
    monkeypatch.chdir(tmp_path)
    found = importlib.import_module(MODULE).CodeCarbonMeter("DEU")
    found.start()
    first = found.read()
    found.stop()
    assert 0 <= first.kwh < 0.01
    assert (first.country, first.source.split()[0]) == ("DEU", "CodeCarbon")
    assert list(tmp_path.iterdir()) == []
