"""Measurements: quality against baselines, speed against peers. Results are files in bench/results."""
