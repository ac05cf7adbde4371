"""Noise levels: training schedules, flow schedules, spacings of timesteps."""
