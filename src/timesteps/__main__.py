"""`python -m timesteps` is the command `timesteps`."""

from timesteps.cli import main

main()
