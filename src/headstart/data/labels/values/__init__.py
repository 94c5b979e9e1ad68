"""The values of one column of labels: texts, numbers, and what stands for no label."""
