"""Running ONNX models: the only place that imports onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mergebert.errors import ModelBundleError


class OnnxSession:
    """A loaded ONNX model on the CPU; raises ModelBundleError where it cannot be loaded or run."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures

        own = [one for one in vars(failures).values() if isinstance(one, type) and issubclass(one, Exception)]
        # It raises ValueError itself for inputs that are missing, and text that is not UTF-8.
        self._failures: tuple[type[Exception], ...] = (ValueError, *own)
        self.model = model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # `export` has optimised the graph already; doing it again costs more than a run.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4  # what goes wrong is said by the error, once
        try:
            self._session = onnxruntime.InferenceSession(
                str(model),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # which prints
            )
        except self._failures as error:
            raise ModelBundleError(
                f"{model} cannot be loaded by onnxruntime; install the bundle again."
            ) from error

    def run(self, inputs: Mapping[str, Any]) -> list[Any]:
        """The outputs of the model, in its order."""
        try:
            return list(self._session.run(None, dict(inputs)))
        except self._failures as error:
            if "alloc" in str(error):
                raise ModelBundleError(f"{self.model} asks for more memory than it may have.") from error
            raise ModelBundleError(
                f"{self.model} refused its input; it was made for another version of mergebert."
            ) from error
