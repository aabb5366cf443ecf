"""What can be searched: model shapes, sub-network configurations, search spaces and their exact costs.

Needs only numpy: a device without torch can still price a sub-network.
"""

from search_spaces.cost import Costs, Workload, cost
from search_spaces.dimensions import Choices, Dimension
from search_spaces.errors import SpaceError
from search_spaces.per_layer import LayerSpace, MediumSpace, SublayerSpace
from search_spaces.portability import Portability, portability
from search_spaces.sampling import Sampler, sampler_of
from search_spaces.shape import LayerShape, ModelShape, Segment, TensorLayout
from search_spaces.space import SearchSpace
from search_spaces.spaces import build_space
from search_spaces.subnet import LayerUnits, SubnetConfig
from search_spaces.uniform import UniformSpace
from search_spaces.units import Units

__all__ = [
    "Choices",
    "Costs",
    "Dimension",
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
    "SublayerSpace",
    "SubnetConfig",
    "TensorLayout",
    "UniformSpace",
    "Units",
    "Workload",
    "build_space",
    "cost",
    "portability",
    "sampler_of",
]
