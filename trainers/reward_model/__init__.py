"""SpatialScore: training the reward model on pairs."""
