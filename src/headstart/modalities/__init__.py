"""All that differs between images, text, audio and tables, and nothing else."""
