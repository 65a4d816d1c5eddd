"""How near operations come to what this machine can do at the most."""
