"""Makes the weights: data, reward model, online RL, evaluation. Installed as `spatial_trainers`."""
