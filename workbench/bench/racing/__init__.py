"""How a race is run: the question and its places, the clock and the rounds, the checks and the cheats."""
