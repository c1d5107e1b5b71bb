"""What the user asked for: estimators, recipes, baselines, runs."""
