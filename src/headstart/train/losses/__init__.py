"""Losses that bring two domains together: functions of tensors, one file for each paper."""
