"""What `torch.export` tells of a module, as a plain graph, and what it refuses, in a sentence."""

import contextlib
import importlib
import inspect
import io
import logging
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weightspace.errors import InputError
from weightspace.models.adapters.torch_library import library
from weightspace.models.aten.evaluate import unknown
from weightspace.models.aten.graph import Dtype, Graph, Node, Ref

BATCH = 3
KEPT = (
    "lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input", "scaled_dot_product_attention.default",
    "detach.default", "max_pool1d.default", "adaptive_avg_pool1d.default", "adaptive_avg_pool2d.default",
    "adaptive_avg_pool3d.default", "adaptive_max_pool1d.default", "std.correction", "std_mean.correction",
    "hardswish.default", "hardsigmoid.default",
)  # fmt: skip
"""Operators that are evaluated as they are, rather than by what they are made of: loops over time stay
loops, what no gradient goes through stays so, and gradients at zero and at kinks are PyTorch's."""
OWN_GRADIENT = (
    "torch.export reads what a network computes and not how its gradients were changed; write what is meant "
    "by detach(), as in x + (f(x) - x).detach() for f(x) with the gradient of x"
)
_IGNORED = {"device", "layout", "pin_memory", "memory_format", "non_blocking"}
_HALF = ("float16", "bfloat16")


def exported(module: Any, x: Any, flags: dict[str, bool], who: str, own: str) -> Graph:
    """The graph of a module in the mode that it is in, for batches of any length like `x`.

    Args:
      module: On the CPU.
      x: A batch of more than one.
      flags: Arguments of its call that say the mode.
      who: The network, as the user knows it.
      own: The floating type of its weights.

    Raises:
      InputError: If its computation goes by the values of its inputs, fixes the length of the batch, or has
        an operator that is not known here; with the line of the user's code.
    """
    torch = library()
    open_batch = {0: torch.export.Dim.DYNAMIC}
    shapes: Any = ({**open_batch},)
    if flags:
        shapes = {
            next(iter(inspect.signature(module.forward).parameters)): open_batch,
            **dict.fromkeys(flags),
        }
    with _quietly(), _no_gradients_of_its_own(who):
        try:
            program = torch.export.export(module, (x,), flags, dynamic_shapes=shapes, strict=False)
            _keep_no_grad(program)
            program = program.run_decompositions(_decompositions())
        except InputError:
            raise
        except Exception as error:
            raise _in_words(error, who) or error from error
    graph = _graph(program, who, own)
    _check(graph, who)
    return graph


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the library writes to the screen, and without its fast path that keeps no gradients."""
    torch = library()
    fast, before = torch.backends.mha.get_fastpath_enabled(), logging.root.manager.disable
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        torch.backends.mha.set_fastpath_enabled(fast)


@contextlib.contextmanager
def _no_gradients_of_its_own(who: str) -> Iterator[None]:
    """Raise where the user's code changes gradients: the export would drop it without a word."""
    torch = library()
    functions, tensors = torch.autograd.Function, torch.Tensor
    apply, hook = functions.__dict__["apply"], tensors.__dict__["register_hook"]

    def applied(stack: Any, kind: Any, *args: Any, **kwargs: Any) -> Any:
        if kind.__module__.partition(".")[0] != "torch":
            refuse(stack, f"{kind.__name__}, a torch.autograd.Function,")
        return apply.__func__(kind, *args, **kwargs)

    def refuse(stack: Any, what: str) -> None:
        raise InputError(f"a gradient of {who} goes through {what} of its own{_where(stack)}: {OWN_GRADIENT}")

    functions.apply = classmethod(
        lambda kind, *args, **kwargs: applied(traceback.extract_stack(), kind, *args, **kwargs)
    )
    tensors.register_hook = lambda *_, **__: refuse(traceback.extract_stack(), "a hook")
    try:
        yield
    finally:
        functions.apply, tensors.register_hook = apply, hook


def _decompositions() -> Any:
    torch = library()
    table = torch.export.default_decompositions()
    for op in [op for op in table if str(op).removeprefix("aten.") in KEPT]:
        table.pop(op)
    return table


def _keep_no_grad(program: Any) -> None:
    """Results of `torch.no_grad()` blocks are detached: decomposition forgets such blocks."""
    torch = library()
    for graph in [part.graph for part in program.graph_module.modules() if hasattr(part, "graph")]:
        for node in list(graph.nodes):
            if str(node.target) == "wrap_with_set_grad_enabled" and node.args[0] is False:
                for user in list(node.users):
                    with graph.inserting_after(user):
                        cut = graph.call_function(torch.ops.aten.detach.default, (user,))
                    cut.meta = dict(user.meta)
                    user.replace_all_uses_with(cut, delete_user_cb=lambda other, cut=cut: other is not cut)
    program.graph_module.recompile()


def _in_words(error: Exception, who: str) -> InputError | None:
    """The refusal that an error of the library stands for, if it is one of the network itself."""
    text, kind = str(error), type(error).__name__
    if "DataDependent" in kind or "data-dependent" in text:
        return _by_values(who, _where(traceback.extract_tb(error.__traceback__)))
    if "fake tensor in the exported program" in text:
        return InputError(f"{who} takes the .data of a tensor that it computes: write .detach()")
    if "Constraints violated" in text or "onstraint" in kind:
        return InputError(
            f"{who} fixes the number of examples in a batch (a reshape to a number?), which must stay open: "
            "write x.shape[0], or -1 for it"
        )
    return None


def _by_values(who: str, where: str) -> InputError:
    return InputError(
        f"the computation of {who} goes by the values of its inputs{where}: one graph must serve all inputs. "
        "Choose by torch.where instead of `if`, and take no number out of a tensor (.item(), float(…), a "
        "mask as an index)"
    )


def _where(stack: traceback.StackSummary) -> str:
    frames = [frame for frame in stack if _is_users(frame.filename)]
    if not frames:
        return ""
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})"


def _is_users(file: str) -> bool:
    """Whether a file is neither PyTorch's nor ours, whatever folder it lies in."""
    homes = (Path(library().__file__).parent, Path(__file__).parents[2])
    return file[:1] != "<" and not any(home in Path(file).parents for home in homes)


def _line(text: str | None) -> str:
    """The innermost line of the user's code in a stack trace that is told as text."""
    found = ""
    lines = (text or "").splitlines()
    for place, line in enumerate(lines):
        if line.strip().startswith("File ") and '"' in line:
            file = line.split('"')[1]
            number = line.split("line ")[-1].split(",")[0]
            code = lines[place + 1].strip() if place + 1 < len(lines) else ""
            if _is_users(file) or (not found and file[:1] != "<"):
                found = f"{Path(file).name}, line {number}: {code}"
    return found


def _graph(program: Any, who: str, own: str) -> Graph:
    inputs, constants, data = [], {}, None
    for spec in program.graph_signature.input_specs:
        kind = spec.kind.name
        if kind in ("PARAMETER", "BUFFER"):
            inputs.append((spec.arg.name, spec.target))
        elif kind == "CONSTANT_TENSOR":
            constants[spec.arg.name] = program.constants[spec.target].detach().numpy()
        elif kind == "USER_INPUT" and data is None:
            data = spec.arg.name
    nodes = [node for node in program.graph.nodes if node.op not in ("placeholder", "output")]
    _check_shapes(nodes, who)
    (last,) = (node for node in program.graph.nodes if node.op == "output")
    updates, outputs = [], []
    for spec, value in zip(program.graph_signature.output_specs, last.args[0], strict=True):
        if spec.kind.name == "BUFFER_MUTATION":
            updates.append((spec.target, _plain(value)))
        elif spec.kind.name == "USER_OUTPUT":
            outputs.append(value)
        elif spec.kind.name == "PARAMETER_MUTATION":
            raise InputError(
                f"the forward of {who} changes its parameter '{spec.target}', which here only training does: "
                "keep what it changes in a buffer, or compute with a changed copy"
            )
    if len(outputs) != 1 or not hasattr(outputs[0], "op"):
        raise InputError(
            f"{who} gives {len(outputs)} outputs, but must give one tensor; let its forward return the one "
            "that the loss is of"
        )
    return Graph(
        tuple(inputs), str(data), tuple(map(_node, nodes)), _plain(outputs[0]), tuple(updates), constants, own
    )


def _check_shapes(nodes: list[Any], who: str) -> None:
    """Raise for a value whose shape is known only when the computation runs."""
    symbols = importlib.import_module("torch.fx.experimental.symbolic_shapes")
    for node in nodes:
        value = node.meta.get("val")
        if value is not None and symbols.free_unbacked_symbols(value):
            line = _line(node.meta.get("stack_trace"))
            raise _by_values(who, f" ({line})" if line else "")


def _node(node: Any) -> Node:
    kwargs = {name: _plain(value) for name, value in node.kwargs.items() if name not in _IGNORED}
    stack = (node.meta.get("nn_module_stack") or {}).items()
    modules = tuple((key, path) for key, (path, _) in stack)
    line = _line(node.meta.get("stack_trace"))
    return Node(node.name, _name(node), tuple(map(_plain, node.args)), kwargs, line, modules)


def _name(node: Any) -> str:
    """`aten.add.Tensor`; `_operator.mul` for the arithmetic of lengths."""
    target = node.target
    if node.op == "get_attr":
        return f"a part of its own, {target}"
    if getattr(target, "__module__", "") in ("_operator", "math", "torch", "torch.fx.experimental.sym_node"):
        return f"_operator.{target.__name__}"
    return str(target)


def _plain(value: Any) -> Any:
    torch = library()
    if isinstance(value, torch.fx.Node):
        return Ref(value.name)
    if isinstance(value, torch.dtype):
        return Dtype(str(value).removeprefix("torch."))
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if isinstance(value, torch.device | torch.layout | torch.memory_format):
        return None
    return value


def _check(graph: Graph, who: str) -> None:
    node = unknown(graph)
    if node is not None:
        raise InputError(
            f"{who} uses the operator {node.op}, which is not known here"
            + (f" ({node.line})" if node.line else "")
            + "; write that line with other operators, or write the network for JAX"
        )
    for node in graph.nodes:
        for value in (*node.args, *node.kwargs.values()):
            if isinstance(value, Dtype) and value.name in _HALF:
                raise InputError(
                    f"{who} computes in {value.name}" + (f" ({node.line})" if node.line else "") + ": leave "
                    "casts and autocast out, the precision of a run says what it computes in"
                )
