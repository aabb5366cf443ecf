"""torch as it is: every operation is started from Python."""

from __future__ import annotations

from nas.evaluation.runtimes.generation import forward_calls, generating_calls
from nas.evaluation.runtimes.runtime import Calls, Runtime
from search_spaces import SubnetConfig


class EagerRuntime(Runtime):
    """torch's eager mode."""

    def load(self, config: SubnetConfig, key: str) -> Calls:
        """See `Runtime.load`."""
        del key
        model, steps = self._model(config), self._target.decode_length
        return generating_calls(model, self._inputs, steps) if steps else forward_calls(model, self._inputs)
