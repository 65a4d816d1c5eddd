"""The runtime: launches kernels, lets them find each other, and ends them."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, NoReturn

from workbench.errors import ClosedError, InputError
from workbench.text import did_you_mean

from .backends import choose
from .bodies import make_body
from .dead_letters import DeadLetter
from .handle import KernelHandle
from .kernel import Kernel
from .metrics import KernelStatus, RuntimeStatus
from .network import Network, callers
from .options import LaunchOptions
from .states import State
from .steps import checked


class Runtime:
    """Where ring kernels live: each has a name, keeps its state from message to message, and runs one at a time.

    A runtime that nobody refers to any more, nor to one of its handles, lets its kernels run what waits and ends them.
    One that a forked process inherits has its kernels there with empty queues and new states.

    Parameters
    ----------
    backend
        ``"cpu"``; ``"cuda"``, where `scale`, `add`, `dot`, `softmax` and `similarity_matrix` run in a persistent kernel
        on the GPU, and all else on the CPU as before; or ``"auto"``, which says in ``why`` what it took: the CPU, as
        long as nobody has measured where a GPU is quicker.
    dead_letters
        So many dead letters are kept, with what they carry.

    Raises
    ------
    workbench.errors.InputError
        If the backend cannot run here, with what to do.

    Examples
    --------
    >>> def add(total, number):
    ...     total["sum"] = total.get("sum", 0) + number
    ...     return total["sum"]
    >>> with Runtime() as runtime:
    ...     adder = runtime.launch("adder", LaunchOptions(handler=add, state=dict))
    ...     [adder.call(number) for number in (1, 2, 3)]
    [1, 3, 6]
    """

    def __init__(self, backend: str = "auto", *, dead_letters: int = 100) -> None:
        if isinstance(dead_letters, bool) or not isinstance(dead_letters, int) or dead_letters < 0:
            raise InputError(f"dead_letters must be a whole number of at least 0, got {dead_letters!r}.")
        self.backend, self.why, self._pool = choose(backend)
        self._network = Network(dead_letters)
        # The kernels' threads know the network and not this object, which can therefore be collected.
        weakref.finalize(self, self._network.abandon).atexit = False

    @property
    def status(self) -> RuntimeStatus:
        """Where it runs, its kernels and what waits for them."""
        network = self._network
        kernels = [KernelStatus.of(kernel) for kernel in self._kernels()]
        return RuntimeStatus(self.backend, self.why, kernels, network.dead_letters.count, network.closed)

    @property
    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """The last messages that no kernel answered and replies that nobody received, the oldest first."""
        return self._network.dead_letters.listed()

    @property
    def closed(self) -> bool:
        """Whether it was shut down."""
        return self._network.closed

    def launch(self, name: str, options: LaunchOptions | None = None, **changes: Any) -> KernelHandle:
        """Launch a kernel.

        Parameters
        ----------
        name
            By which it is found; without a handler also the operation that it runs.
        options
            How.
        **changes
            Fields of :class:`LaunchOptions`, in place of those of ``options``.

        Raises
        ------
        workbench.errors.InputError
            If a kernel of this name lives, or the options do not fit.
        workbench.errors.ClosedError
            If the runtime was shut down.
        """
        if not isinstance(name, str) or not name:
            raise InputError(f"A kernel has a name, such as 'softmax'; got {name!r}.")
        if options is not None and not isinstance(options, LaunchOptions):
            raise InputError(f"options must be LaunchOptions, got {options!r}. Did you mean handler=...?")
        fields = list(LaunchOptions.__dataclass_fields__)
        for given in changes:
            if given not in fields:
                raise InputError(f"LaunchOptions has no {given!r}.{did_you_mean(given, fields)}")
        chosen = replace(options or LaunchOptions(), **changes)
        kernel = Kernel(name, chosen, make_body(name, chosen, self._pool), self._network)
        with self._network.lock:
            if self._network.closed:
                raise ClosedError("This runtime was shut down and launches no more kernels; make a new one.")
            if name in self._network.kernels:
                raise InputError(f"There is a kernel {name!r} already. Terminate it first, or choose another name.")
            self._network.kernels[name] = kernel
        if chosen.auto_activate:
            kernel.activate()
        return KernelHandle(kernel, self)

    def route(self, source: str, to: str | None) -> None:
        """Let all results of a kernel go on to another one as messages; None makes them answers again.

        Raises
        ------
        workbench.errors.InputError
            If one of them does not live here.
        """
        kernel = self[source]._kernel
        if to is not None:
            self[to]
        kernel.go_on_to(to)

    def __getitem__(self, name: str) -> KernelHandle:
        kernel = self._network.kernels.get(name) if isinstance(name, str) else None
        if kernel is None:
            names = [one.name for one in self._kernels()]
            listed = f"It has {', '.join(map(repr, names))}." if names else "It has none."
            raise InputError(f"This runtime has no kernel {name!r}.{did_you_mean(name, names)} {listed}")
        return KernelHandle(kernel, self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._network.kernels

    def __iter__(self) -> Iterator[str]:
        return iter([kernel.name for kernel in self._kernels()])

    def __len__(self) -> int:
        return len(self._network.kernels)

    def shutdown(self, *, drain: bool = True, timeout: float = 1.0) -> None:
        """End all kernels: refuse what comes, let active ones run what waits and send it on, and terminate them.

        Parameters
        ----------
        drain
            Whether what waits is run. What is left becomes dead letters; its callers get a ClosedError.
        timeout
            Seconds for all of it. A handler that takes longer goes on in its thread, and its answer still arrives.
        """
        deadline = time.perf_counter() + checked(timeout)
        with self._network.lock:
            self._network.closed = True
        kernels = self._kernels()
        for kernel in kernels:
            kernel.close_doors()
        while drain and time.perf_counter() < deadline:
            inside = callers()
            waits = [kernel for kernel in kernels if kernel not in inside]
            drained = [kernel.drain(deadline) for kernel in waits]
            # One that was drained may have got messages of another meanwhile, from which they went on.
            if all(drained) and not any(kernel.state is State.ACTIVE and kernel.loaded for kernel in waits):
                break
        for kernel in kernels:
            kernel.end("the runtime was shut down")
        for kernel in kernels:
            kernel.terminate(drain=False, deadline=deadline, reason="")

    async def ashutdown(self, *, drain: bool = True, timeout: float = 1.0) -> None:
        """Shut down without blocking the event loop; as :meth:`shutdown`."""
        await asyncio.to_thread(self.shutdown, drain=drain, timeout=timeout)

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown(drain=error is None)

    async def __aenter__(self) -> Runtime:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.ashutdown(drain=error is None)

    def __reduce__(self) -> NoReturn:
        raise InputError(
            "A runtime cannot be pickled or copied, since its kernels have threads and state. Make one where it is "
            "needed: a forked process has it, with empty queues and new states."
        )

    def __repr__(self) -> str:
        return repr(self.status)

    def _repr_html_(self) -> str:
        from workbench.views.ring.card import runtime_card

        return runtime_card(self.status)

    def _kernels(self) -> list[Kernel]:
        with self._network.lock:
            return list(self._network.kernels.values())
