"""Everything that must still run after training: numpy and the native core, nothing else."""
