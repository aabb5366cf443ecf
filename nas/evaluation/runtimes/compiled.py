"""torch.compile with its default compiler; graphs may break where a model needs Python."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import torch

from nas.errors import EvaluationFailedError, TargetUnavailableError
from nas.evaluation.runtimes.generation import forward_calls, generating_calls
from nas.evaluation.runtimes.runtime import Calls, Runtime
from search_spaces import SubnetConfig


class CompiledRuntime(Runtime):
    """Compiled before it is timed: for one forward at the very sizes of the workload.

    While tokens are generated the length of the cache is left open, as torch does by itself from the second
    token on.
    """

    # The compiler's own memory stays with the process.
    measures_memory: ClassVar[bool] = False

    def load(self, config: SubnetConfig, key: str) -> Calls:
        """See `Runtime.load`; the first calls compile.

        Raises:
            EvaluationFailedError: the compiler refuses the model.
            TargetUnavailableError: this version of torch lets models that share code share graphs too.
        """
        del key
        steps = self._target.decode_length
        model = _compiled(self._model(config), is_dynamic=steps > 0)
        calls = generating_calls(model, self._inputs, steps) if steps else forward_calls(model, self._inputs)
        try:
            with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
                calls.whole()
        except (torch._dynamo.exc.TorchDynamoException, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EvaluationFailedError(f"torch.compile refuses the model: {reason}", "bug") from error
        return calls


def _compiled(model: Any, *, is_dynamic: bool) -> Any:
    """A model whose graphs are its own.

    Sub-networks share their Python code, by which torch files graphs. Filed together, a second shape would be
    compiled with open sizes wherever it differs from the first, and run slower for it.
    """
    if "isolate_recompiles" not in inspect.signature(torch.compile).parameters:
        raise TargetUnavailableError(
            f"torch {torch.__version__} cannot compile shapes apart from each other; torch 2.13 can"
        )
    torch._dynamo.pgo.reset_code_state()  # sizes seen of earlier shapes
    compile_model: Any = torch.compile  # typed without `isolate_recompiles`
    dynamic = None if is_dynamic else False
    return compile_model(model, fullgraph=False, dynamic=dynamic, isolate_recompiles=True)
