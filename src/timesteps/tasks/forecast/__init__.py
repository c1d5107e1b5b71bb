"""The task of forecasting: models of series over time, the baselines beside them, and backtests of both."""
