"""Private names of TensorFlow that this project uses; no other file uses one.

TensorFlow has no public way to switch off a single pass of its graph optimizer, Grappler, except those that
`tf.config.optimizer` lists. A TensorFlow release may rename what is used here; the tests of this file then fail.
"""

import contextlib
from collections.abc import Iterator

from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.eager import context


@contextlib.contextmanager
def sums_in_fixed_order() -> Iterator[None]:
    """Keeps Grappler from changing the order of sums in the graphs that this thread runs for the first time.

    To save memory in graphs that need more than about 200 MB, Grappler's memory pass replaces a sum of three or more
    tensors by additions in the order in which the tensors happen to be computed. Among these are the gradients of
    weights and feature maps that several operations read. Float sums depend on their order, so on several threads two
    runs of one seed would differ in almost every step; `tf.config.experimental.enable_op_determinism` does not change
    that.
    """
    eager = context.context()
    before, config = eager.function_call_options, eager.config
    config.graph_options.rewrite_options.memory_optimization = RewriterConfig.NO_MEM_OPT
    eager.function_call_options = context.FunctionCallOptions(before.executor_type, config)
    try:
        yield
    finally:
        eager.function_call_options = before
