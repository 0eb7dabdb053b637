"""LoRAs without RL: from pictures, from pairs, from the best of N of one's own."""
