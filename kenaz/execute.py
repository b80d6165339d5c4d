"""Recording and running: what waits, when it runs, and whether it is interpreted or compiled.

`record` appends a node to `pending`. `flush` runs every pending node that somebody can still reach: a node is alive
when something other than the pending list and the sources of other pending nodes refers to it (Python's reference
counts tell), or when a living node reads it. Graphs are told apart by their structure; one that comes back is planned.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from . import interpret
from .core import config
from .core.shape import extent
from .core.spec import Spec, fresh
from .graph.block import Origin, has_blocks, opened
from .graph.node import Call, Failure, Node, Unplanned, held, make_node, results
from .graph.storage import Storage, any_exposed
from .runtime import threads, trace

pending: list[Node] = []
_lock = threading.RLock()


class Mode:
    """`slow` is true while recording has more to do than to append: run at once, or watch exposed memory. `tracing` is
    true while what is recorded is only looked at."""

    __slots__ = ("eager", "slow", "tracing")
    tracing: bool
    eager: bool
    slow: bool


mode = Mode()
mode.eager = mode.slow = config.EAGER
mode.tracing = False


observers: list[Callable[[Call], None]] = []  # told of every call that is recorded; `update_mode` after a change


watchers: list[Callable[[list[Node]], None]] = []  # told of every batch of nodes before it runs


def update_mode() -> None:
    mode.slow = mode.eager or any_exposed() or trace.state.on or bool(observers)


@contextmanager
def eager(on: bool = True) -> Iterator[None]:
    """Run each operator as it is recorded inside the block, as `KENAZ_EAGER=1` does for a whole process."""
    before, mode.eager = mode.eager, on
    flush()
    update_mode()
    try:
        yield
    finally:
        mode.eager = before
        update_mode()


def record(call: Call, sources: tuple, offsets: tuple[int, ...] | None = None) -> Node:
    """A pending node; it runs later, or at once in eager mode."""
    for observer in observers:
        observer(call)
    node = make_node(call, sources, offsets)
    if not call.plain:
        look_for_errors(node)
        if type(call.out) is Spec and call.out.device.type == "meta":
            return node
    pending.append(node)
    if mode.eager:
        run_now(node)
    elif len(pending) > config.PENDING:
        flush()
    return node


_inside = 0  # how many nodes the pending blocks stand for


def put_off(nodes: list[Node], count: int) -> None:
    """Let nodes wait that stand for `count` others; at once, since another thread may run what waits."""
    global _inside
    _inside += count
    pending.extend(nodes)
    if len(pending) + _inside > config.PENDING:
        del nodes[:]  # or each of them would be seen from here
        flush()


def look_for_errors(node: Node) -> None:
    """Note the user's line where an operator may find a mistake later; raise what can be found already."""
    late = node.call.op.late_errors
    if late:
        node.line = users_line()
        if late is not True:
            late(node.call, *interpret.known(node))


def users_line() -> tuple[str, int] | None:
    """File and line of the innermost frame outside Kenaz."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None


_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


# ------------------------------------------------------------------------------------------------------------- running
def flush() -> None:
    """Run every pending node that is alive."""
    global _inside
    if not pending or mode.tracing:
        return
    with _lock:
        _inside = 0
        batch = pending[:]
        del pending[: len(batch)]
        batch = [node for node in batch if node.value is None]
        if not batch:
            return
        if watchers:
            batch = opened(batch)[0]
        for watcher in watchers:
            watcher(batch)
        structure, seen = _structure(batch)
        plan = _plans.get(structure)
        form = plan and not (config.CHECK or trace.state.on) and plan.form
        if not form:
            plan, nodes = _opened(structure, batch, seen)
        else:
            nodes = [batch[i] for i in form.alive]
        batch.clear()  # what nobody can ask for is freed before anything runs
        if config.DEBUG:
            _tell_run(plan, nodes)
        if plan is None:
            _run(nodes)
        else:
            _run_plan(plan, nodes, form)


def _opened(structure: tuple, batch: list[Node], seen: tuple[bool, ...]) -> tuple[Any, list[Node]]:
    """The plan of a graph, or None, and its living nodes, with blocks opened."""
    nodes, origins = batch, None
    if has_blocks(batch):
        nodes, origins = opened(batch)
        seen = tuple([seen[o.at] if o.step < 0 else o.out >= 0 and seen[o.out] for o in origins])
    plan = _plan_for(structure, nodes, seen)
    if plan is None:
        return None, _alive(nodes, seen)
    if plan.form is None:
        plan.form = _form(plan, batch, nodes, origins)
    return plan, [nodes[i] for i in plan.alive]


def _form(plan: Any, batch: list[Node], nodes: list[Node], origins: list[Origin] | None) -> Any:
    """How a plan runs on a graph as it was recorded, or False where blocks have to be opened each time."""
    from .codegen.closed import Form, closed

    if origins is None:
        return Form(plan.alive, plan.sequence, range(len(nodes)))
    return closed(plan, batch, [nodes[i] for i in plan.alive], [origins[i] for i in plan.alive]) or False


def planned(nodes: list[Node], seen: list[bool]) -> Any:
    """The plan of nodes that are known to come back in this order; None where they are better interpreted."""
    return (_compiled(nodes, seen) or None) if _may_pay(nodes) else None


def run_planned(plan: Any, nodes: list[Node]) -> None:
    """Run nodes that never waited, as a plan for just such nodes says."""
    with _lock:
        if config.DEBUG:
            _tell_run(plan, nodes)
        _run_plan(plan, [nodes[i] for i in plan.alive])


def drop_unseen() -> None:
    """Forget the last pending nodes as long as nobody refers to them, which is quicker than finding it in a graph."""
    with _lock:
        while pending and sys.getrefcount(pending[-1]) == _UNSEEN:
            del pending[-1]


_probe = [object()]
_UNSEEN = sys.getrefcount(_probe[-1])  # what it says of an object that only a list holds, asked for like that


def _tell_run(plan: Any, nodes: list[Node]) -> None:
    from .codegen import report

    how = "interpreted" if plan is None else f"in {plan.native} compiled steps"
    line = users_line()
    count = len(nodes if plan is None else plan.alive)
    report.tell(f"{count} operators {how}" + (f", for {line[0]}:{line[1]}" if line else ""))


# What getrefcount says of an object that only a list holds, when it is called like this.
_ALONE = list(map(sys.getrefcount, [object()]))[0]


def _structure(batch: list[Node]) -> tuple[tuple, tuple[bool, ...]]:
    """What decides a plan: calls, which source is which, and which nodes are seen from outside; and the latter alone.

    A node is seen where something other than this list and the sources of its nodes refers to it. A training step comes
    here with a thousand nodes, so the work on each is left to built-in functions.
    """
    sources = [id(s) for node in batch for s in node.sources if type(s) is Node]
    number = dict(zip(map(id, batch), range(len(batch)), strict=True))
    find = number.setdefault
    pattern = tuple([find(s, len(number)) for s in sources])
    inside = Counter(pattern)
    seen = tuple([held - inside[i] > _ALONE for i, held in enumerate(map(sys.getrefcount, batch))])
    return (tuple([node.call for node in batch]), pattern, seen), seen


def _alive(batch: list[Node], seen: Sequence[bool]) -> list[Node]:
    """The nodes of a batch whose values somebody can still ask for, in order."""
    return [batch[i] for i in _alive_places(batch, seen)]


def _alive_places(batch: list[Node], seen: Sequence[bool]) -> list[int]:
    for node in batch:
        node.refs = 0
    found = []
    for i in range(len(batch) - 1, -1, -1):
        node = batch[i]
        if seen[i] or node.refs:  # a living node reads it
            found.append(i)
            for source in node.sources:
                if type(source) is Node:
                    source.refs = 1
    found.reverse()
    return found


# ---------------------------------------------------------------------------------------------------- cold or hot
_times: dict[int, int] = {}  # how often a graph has come, by the hash of its structure: a key may be long
_plans: dict[tuple, Any] = {}
threads.changed.append(_plans.clear)  # plans cut their work for so many threads
MANY = 10_000
FEW = 12  # fewer nodes than this are interpreted unless one of them is a loop worth compiling
HOT_AFTER = 1 if config.HOT == "always" else 2


def _may_pay(nodes: list[Node]) -> bool:
    """Whether a plan of so many nodes, or of a loop, could be worth making."""
    if config.HOT == "never" or len(nodes) < 2:
        return False
    return len(nodes) >= FEW or any(node.call.is_loop for node in nodes)


def _plan_for(structure: tuple, batch: list[Node], seen: Sequence[bool]) -> Any:
    """The plan of a graph that came back often enough, else None."""
    plan = _plans.get(structure)
    if plan is not None:
        return plan or None
    if not _may_pay(batch):
        return None
    short = hash(structure)
    times = _times[short] = _times.get(short, 0) + 1
    if times < HOT_AFTER:
        if len(_times) > MANY:  # a program whose graphs never come back
            _times.clear()
        return None
    if len(_plans) > MANY // 10:
        _plans.clear()  # their kernels stay
    plan = _plans[structure] = _compiled(batch, seen)
    return plan or None


def _compiled(batch: list[Node], seen: Sequence[bool]) -> Any:
    """A plan, or False where this machine has no compiler or nothing can be compiled."""
    try:
        from .codegen.layout import make_plan
    except (ImportError, OSError, RuntimeError):
        config.HOT = "never"
        return False
    alive = _alive_places(batch, seen)
    nodes = [batch[i] for i in alive]
    plan = make_plan(nodes, [seen[i] for i in alive])
    if config.DEBUG >= 2 or config.EXPLAIN:
        _tell_plan(plan, nodes)
    if plan is None:
        return False
    plan.alive = alive
    return plan


def _tell_plan(plan: Any, nodes: list[Node]) -> None:
    from .codegen import report

    if config.EXPLAIN:
        report.tell(report.reason(tuple(node.call for node in nodes), users_line()))
    if config.DEBUG >= 2 and plan is not None:
        for line in plan.told(config.DEBUG >= 3):
            report.tell(line)


def _run_plan(plan: Any, nodes: list[Node], form: Any = None) -> None:
    """Run a plan; after an error what has not run stays pending."""
    try:
        with np.errstate(all="ignore"):
            if config.CHECK:
                _run_checked(plan, nodes)
            else:
                plan.run(nodes, _compute, form)
    except Unplanned:
        _run(opened([node for node in nodes if node.value is None])[0])
    except BaseException:
        pending[:0] = [node for node in nodes if node.value is None]
        raise


def _run_checked(plan: Any, nodes: list[Node]) -> None:
    from .codegen.check import run_checked

    run_checked(plan, nodes, _compute)


def _run(nodes: list[Node]) -> None:
    """Run nodes in order. After an error the failing node keeps failing, and the others stay pending."""
    with np.errstate(all="ignore"):
        _run_silently(nodes)


def _run_silently(nodes: list[Node]) -> None:
    nodes.reverse()
    while nodes:
        node = nodes.pop()
        if node.value is not None:
            continue
        try:
            _compute(node)
        except BaseException:  # a mistake found late, or an interrupt: nothing else is lost
            if node.value is None:
                nodes.append(node)
            pending[:0] = reversed(nodes)
            raise


def _compute(node: Node) -> None:
    if trace.state.on:
        _compute_noted(node)
    else:
        _compute_silently(node)


def _compute_noted(node: Node) -> None:
    start, call = time.perf_counter_ns(), node.call
    _compute_silently(node)
    sizes = [list(s.size) for s in call.specs if type(s) is Spec]
    trace.note(trace.Event(call.op.name, start, time.perf_counter_ns(), getattr(node, "line", None), sizes))


def _compute_silently(node: Node) -> None:
    """Interpret a node. After an error it keeps failing, and what reads it fails silently until it is asked for."""
    try:
        interpret.compute(node)
    except Exception as error:
        inherited = [s.value for s in node.sources if type(s) is Node and type(s.value) is Failure]
        if inherited:
            node.value, node.sources = inherited[0], ()
            return
        _fail(node, error)
        raise


def _fail(node: Node, error: Exception) -> None:
    """Make every later reader of a failed node meet the same error, which names the line that recorded it."""
    line = getattr(node, "line", None)
    if line and not getattr(error, "__notes__", None):
        error.add_note(f"recorded by {node.call.op.name} at {line[0]}:{line[1]}")
    node.value, node.sources = Failure(_without_traceback(error)), ()


def _without_traceback(error: Exception) -> Exception:
    """A copy of an error that does not keep the frames, and with them the tensors, of where it was raised."""
    try:
        found = type(error)(*error.args)
    except TypeError:  # its constructor wants something else
        return error
    for note in getattr(error, "__notes__", ()):
        found.add_note(note)
    return found


def run_now(node: Node) -> None:
    """Run one node and what it needs; everything else stays pending."""
    with _lock:
        if node.value is None:
            open_blocks()
            _run(_ancestors(node))


def open_blocks() -> None:
    """Let pending nodes be what they stand for, where somebody looks at them one by one."""
    if has_blocks(pending):
        with _lock:
            count = len(pending)  # other threads may append more
            pending[:count] = opened(pending[:count])[0]


def _ancestors(node: Node) -> list[Node]:
    """The pending nodes that a node needs and itself, sources first."""
    order: list[Node] = []
    seen = {node}
    stack = [(node, iter(node.sources))]
    while stack:
        current, sources = stack[-1]
        for source in sources:
            if type(source) is Node and source.value is None and source not in seen:
                seen.add(source)
                stack.append((source, iter(source.sources)))
                break
        else:
            order.append(current)
            stack.pop()
    return order


# ------------------------------------------------------------------------------------------------ storages and memory
def memory(storage: Storage) -> np.ndarray:
    """The memory of a storage, after running what it waits for."""
    node = storage.node
    if node.value is None:
        flush()
        if node.value is None:  # recorded by another thread, or without data
            if node.call.out.device.type == "meta":
                raise NotImplementedError("Cannot copy out of meta tensor; no data!")
            run_now(node)
    value = node.value
    if type(value) is Failure:
        raise value.error
    return value


def array(storage: Storage, spec: Spec, offset: int) -> np.ndarray:
    """The elements that a spec sees in a storage, without a copy."""
    memory(storage)
    return interpret.read(storage.node, spec, offset)


def expose(storage: Storage, how: str) -> None:
    """Let something outside see a storage's memory: everything recorded before has run by then."""
    memory(storage)
    flush()
    node = storage.node
    # 3: the storage's slot, the local name and getrefcount's argument; a node that two storages share is parted
    if not storage.exposed and sys.getrefcount(node) > 3:
        storage.node = make_node(node.call, (), None, node.value.copy())
    storage.expose(how)
    update_mode()


def replace(storage: Storage, node: Node) -> None:
    """Point a storage at the node of its new value: an in-place write."""
    old = storage.node
    storage.node = node
    storage.version += 1
    if mode.slow and storage.exposed:
        storage.node = old
        if storage.is_exposed():
            _write_through(storage, node)
        else:
            storage.node = node
            update_mode()


def _write_through(storage: Storage, node: Node) -> None:
    """Bring the new value of an exposed storage into the memory that others see."""
    if node.value is None and node.call.op.overwrites and node.sources[0] is storage.node:
        with _lock:
            open_blocks()
            _run([n for n in _ancestors(node) if n is not node])
            with np.errstate(all="ignore"):
                interpret.compute(node, in_place=True)
        return
    run_now(node)
    seen = storage.node.value
    if type(node.value) is Failure:
        raise node.value.error
    if node.value is not seen:
        np.copyto(seen.reshape(-1), node.value.reshape(-1).view(seen.dtype))


def watch(node: Node, storages: tuple) -> None:
    """In slow mode: let a node that reads memory which others can change read a copy, or run it at once; and note who
    asked for it."""
    if trace.state.on and getattr(node, "line", None) is None:
        node.line = users_line()
    if node.value is not None:
        return
    seen = [s for s in storages if s.exposed and s.is_exposed()]
    if mode.eager or seen and not _read_copies(node, {s.node for s in seen}):
        run_now(node)


LITTLE, MUCH = 1 << 20, 1 << 26  # bytes that are copied at any time; and so that nothing has to run before its time


def _read_copies(node: Node, exposed: set[Node]) -> bool:
    """Let a node read copies of memory that others can change; False where running it at once is less work.

    Were it run, all that it waits for would have to run as well, outside of the graph it belongs to.
    """
    waits = any(type(s) is Node and s.value is None for s in node.sources)
    specs, offsets = node.call.specs, node.offsets or (0,) * len(node.sources)
    seen = [j for j, s in enumerate(node.sources) if s in exposed]
    size = sum(specs[j].numel * specs[j].dtype.itemsize for j in seen)
    made = sum(s.numel * s.dtype.itemsize for s in results(node.call.out))
    if size > (MUCH if waits else max(LITTLE, 2 * made)):
        return False
    copies = {j: copied(node.sources[j], specs[j], offsets[j]) for j in seen}
    if None in copies.values():
        return False
    node.sources = tuple([copies.get(j, s) for j, s in enumerate(node.sources)])
    node.offsets = node.offsets and tuple([0 if j in copies else offset for j, offset in enumerate(offsets)])
    return True


def copied(source: Node, spec: Spec, offset: int) -> Node | None:
    """A node with a copy of what a spec sees of another one's memory, from its first element on."""
    n = extent(spec.size, spec.stride)
    if type(source.value) is not np.ndarray or source.value.itemsize != spec.dtype.itemsize:
        return None
    memory = source.value.reshape(-1)[offset : offset + n].copy()
    return make_node(held(fresh((n,), spec.dtype, spec.device)), (), None, memory)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _print_event(event: trace.Event) -> None:
    line = f", {event.line[0]}:{event.line[1]}" if event.line else ""
    print(f"kenaz: {(event.end - event.start) / 1000:9.1f} us {event.name} {event.sizes}{line}", file=sys.stderr)


if config.DEBUG >= 4:
    trace.listen(_print_event)
    update_mode()
