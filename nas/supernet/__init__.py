"""The supernet: one set of weights, every sub-network of it a set of views."""

from nas.supernet.supernet import Supernet

__all__ = ["Supernet"]
