"""What lies on the disk: folders of Hugging Face, and weights that come with packages."""
