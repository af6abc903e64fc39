"""Activations: functions of each number alone, gates, and softmax."""
