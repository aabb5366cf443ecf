"""What can be searched: model shapes, sub-network configurations, search spaces and their exact costs.

Needs only numpy: a device without torch can still price a sub-network.
"""

from search_spaces.cost import Costs, Workload, cost
from search_spaces.dimensions import Choices, Dimension
from search_spaces.errors import SpaceError
from search_spaces.joint import JointSpace
from search_spaces.large import LargeSpace
from search_spaces.limits import SpaceLimits
from search_spaces.per_layer import MediumSpace
from search_spaces.portability import Portability, portability
from search_spaces.sampling import Sampler, sampler_of
from search_spaces.shape import LayerShape, ModelShape, Segment, TensorLayout
from search_spaces.space import SearchSpace
from search_spaces.spaces import KINDS, build_space, restore_space
from search_spaces.staged import StagedSpace
from search_spaces.subnet import LayerUnits, SubnetConfig
from search_spaces.switches import LayerSpace, SublayerSpace
from search_spaces.uniform import UniformSpace
from search_spaces.units import Units

__all__ = [
    "KINDS",
    "Choices",
    "Costs",
    "Dimension",
    "JointSpace",
    "LargeSpace",
    "LayerShape",
    "LayerSpace",
    "LayerUnits",
    "MediumSpace",
    "ModelShape",
    "Portability",
    "Sampler",
    "SearchSpace",
    "Segment",
    "SpaceError",
    "SpaceLimits",
    "StagedSpace",
    "SublayerSpace",
    "SubnetConfig",
    "TensorLayout",
    "UniformSpace",
    "Units",
    "Workload",
    "build_space",
    "cost",
    "portability",
    "restore_space",
    "sampler_of",
]
