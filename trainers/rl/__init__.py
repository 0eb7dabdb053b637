"""Online RL on flow models: groups of pictures, advantages, GRPO and DiffusionNFT, and the run."""
