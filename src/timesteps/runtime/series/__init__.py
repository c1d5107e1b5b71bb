"""Series of numbers over time: the one container of input, and of forecasts, between reading, models and baselines."""
