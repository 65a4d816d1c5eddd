"""The race: contenders, clock, statistics and the record of a run."""
