"""Forecast series: what the user chose, what is learned of the series, training, calibration, and what comes of it."""
