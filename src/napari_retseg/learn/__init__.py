"""Fine-tuning: samples, augmentation, losses, the loop, its checkpoints (torch)."""
