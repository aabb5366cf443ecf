"""Devices that latency is measured on: their registry, measuring without Ray, and prediction."""
