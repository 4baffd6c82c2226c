"""Measures the energy of a training by CodeCarbon, which works without network here.

Needs the extra `energy`.
"""

import logging

import codecarbon
from codecarbon.output import BaseOutput, EmissionsData

from mrcnn.card.facts import Energy


class _Newest(BaseOutput):
    """Collects the newest totals."""

    def __init__(self):
        self.total: EmissionsData | None = None

    def out(self, total: EmissionsData, delta: EmissionsData) -> None:
        """Receives the totals since the start, and the change."""
        self.total = total


class CodeCarbonMeter:
    """Measures the energy of the whole computer, of other programs too."""

    def __init__(self, country: str):
        """Makes a meter that does not run yet.

        Args:
            country: ISO 3166 code of three letters, whose electricity is assumed.
        """
        self._country, self._newest = country, _Newest()
        logging.getLogger("codecarbon").setLevel(logging.ERROR)  # `log_level` comes too late for its first lines
        # each way to the network or a file that a .codecarbon.config of the user could open is closed here
        self._tracker = codecarbon.OfflineEmissionsTracker(
            country_iso_code=country,
            save_to_file=False,
            save_to_api=False,
            save_to_logger=False,
            save_to_prometheus=False,
            save_to_logfire=False,
            emissions_endpoint=None,
            output_handlers=[self._newest],
            allow_multiple_runs=True,
            log_level="error",
        )

    def start(self) -> None:
        """Starts the measurement."""
        self._tracker.start()

    def read(self) -> Energy | None:
        """Reads the energy since the start; None where CodeCarbon reports nothing."""
        self._tracker.flush()
        total = self._newest.total
        if total is None:
            return None
        return Energy(
            kwh=total.energy_consumed,
            kg_co2=total.emissions,
            source=f"CodeCarbon {codecarbon.__version__}",
            country=self._country if total.country_name else "",
        )

    def stop(self) -> None:
        """Ends the measurement."""
        self._tracker.stop()
