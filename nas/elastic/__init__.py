"""The numeric core: cutting tensors along elastic axes, and copying a module's structure."""

from nas.elastic.slicing import AxisOrders, cut, cut_size, full_size, permute
from nas.elastic.structure import clone_structure

__all__ = ["AxisOrders", "clone_structure", "cut", "cut_size", "full_size", "permute"]
