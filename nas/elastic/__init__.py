"""The numeric core: cutting tensors along elastic axes, and copying a module's structure."""

from nas.elastic.slicing import AxisOrders, cut, kept_elements, permute
from nas.elastic.structure import clone_structure, submodule

__all__ = ["AxisOrders", "clone_structure", "cut", "kept_elements", "permute", "submodule"]
