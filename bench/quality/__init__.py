"""Quality of the named recipes on real data, beside baselines trained on the same rows."""
