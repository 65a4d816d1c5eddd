"""TorchBridge: bytes, NumPy, CuPy and torch, on the same memory where that can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import numpy_dtype
from workbench.errors import InputError
from workbench.models.packed import pack

from .crossing import Crossing
from .devices import import_cupy, require_cuda, resolve
from .dtypes import BridgeDtypes, carrier, name_of, narrow, parse, torch_dtype
from .pool import Array, Pool, PoolUsage
from .report import Log, ShareReport
from .sharing import Readonly, check_plain, describe
from .transfer import Pending

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TorchBridge:
    r"""Take elements from bytes, NumPy, CuPy or torch to another of them, without a copy where none is needed.

    Any number of threads may use one bridge. What it makes belongs to the caller and outlives it.

    Parameters
    ----------
    device
        Where tensors are made: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    cuda
        Whether CUDA is used: None where there is a GPU, True always (it is an error if there is none), False never.
    pool_nbytes
        Bytes that the bridge's memory for copies may take at the most; 0 for none. What does not fit goes to ordinary
        memory.
    pinned
        Whether that memory is pinned, which a GPU reads faster and while the CPU goes on: None for copies to and from
        a GPU, True for all, False never.

    Raises
    ------
    workbench.errors.InputError, workbench.errors.MissingLibraryError
        For a device that is not there, or one that torch was built without.

    Examples
    --------
    >>> bridge = TorchBridge()
    >>> weights = bytearray(b"\x00\x00\x80\x3f" * 6)
    >>> tensor = bridge.tensor(weights, shape=(2, 3), dtype="float32")
    >>> tensor[0, 0] = 2.0
    >>> weights[:4].hex()
    '00000040'
    >>> bridge.share_report()[0]
    bytearray to torch cpu, float32 2 x 3, 24 B: shared, the same memory
    """

    device: str = "cpu"
    cuda: bool | None = None
    pool_nbytes: int = 256 << 20
    pinned: bool | None = None
    if TYPE_CHECKING:  # no part of the configuration: fields(), asdict() and replace() leave them alone
        _pool: Pool = field(init=False)
        _crossing: Crossing = field(init=False)
        _log: Log = field(init=False)

    def __post_init__(self) -> None:
        if self.cuda not in (None, True, False) or self.pinned not in (None, True, False):
            raise InputError(f"cuda and pinned are None, True or False; received {self.cuda!r} and {self.pinned!r}.")
        if isinstance(self.pool_nbytes, bool) or not isinstance(self.pool_nbytes, int) or self.pool_nbytes < 0:
            raise InputError(f"pool_nbytes is a number of bytes, 0 for no pool; received {self.pool_nbytes!r}.")
        if self.pinned and self.cuda is False:
            raise InputError("pinned=True asks for memory that CUDA locks, and cuda=False. Set only one of them.")
        # torch is not loaded for a bridge that stays on the CPU
        device = "cpu" if str(self.device) == "cpu" else str(resolve(self.device, self.cuda))
        object.__setattr__(self, "device", device)
        if self.cuda or self.pinned:
            require_cuda("pinned=True" if self.pinned else "cuda=True")
        pool = Pool(self.pool_nbytes)
        object.__setattr__(self, "_pool", pool)
        object.__setattr__(self, "_crossing", Crossing(self.device, self.cuda, self.pinned, pool))
        object.__setattr__(self, "_log", Log())

    def __reduce__(self) -> tuple[type[TorchBridge], tuple[object, ...]]:
        # Its configuration is what goes to another process, not its memory and its report.
        return TorchBridge, (self.device, self.cuda, self.pool_nbytes, self.pinned)

    def tensor(
        self,
        buffer: Any,
        shape: int | Sequence[int] | None = None,
        dtype: Any = None,
        *,
        device: Any = None,
        requires_grad: bool = False,
        copy: bool | None = None,
        readonly: Readonly = "copy",
    ) -> torch.Tensor:
        """Return a tensor of what a buffer holds.

        Parameters
        ----------
        buffer
            Bytes of any kind (bytes, bytearray, memoryview, mmap, array.array, a uint8 array), which ``dtype`` gives a
            meaning; or an array or tensor that has one: of NumPy with the dtypes of ml_dtypes, CuPy, torch, any library
            with DLPack, a tensor of a model.
        shape
            Of the tensor; one size may be -1. None for the buffer's own, which of bytes is 1-D.
        dtype
            By any name of it: ``"float32"``, ``"bfloat16"``, ``np.int8``, ``torch.float16``, ``">f4"`` for big-endian
            bytes. Bytes of dtypes under 8 bits are packed as in ONNX and safetensors; those of bool are 0 or 1.
            Nothing is converted, but for dtypes that torch lacks (see :attr:`dtypes`), which become the next wider one
            that it computes with.
        device
            None for that of the bridge; what lies on a GPU then stays there.
        requires_grad
            Whether autograd records what is done with the tensor, which is then a new leaf.
        copy
            As in NumPy: None where needed, False never (an error where one is needed), True always.
        readonly
            What becomes of read-only memory (bytes, a file mapped for reading, JAX's arrays), which torch cannot
            protect: ``"copy"``, or ``"share"`` if you never write to the tensor: a write would change the immutable, or
            end the process. A file mapped copy-on-write (``mmap.ACCESS_COPY``, ``np.memmap(mode="c")``) is shared
            safely, without either.

        Raises
        ------
        workbench.errors.InputError
            If sizes do not fit, there is no such dtype or device, or a copy is needed and not allowed.
        """
        passage, place = self._crossing.arrive(buffer, shape, dtype, device=device, copy=copy, readonly=readonly)
        if place != passage.result.device:
            if copy is False:
                raise InputError(
                    f"copy=False, and {describe(passage.result)} is asked for on {place}: devices share no memory. "
                    "Use copy=None."
                )
            passage = self._crossing.moved(passage, place)
        if requires_grad:
            passage = passage._replace(result=_leaf(passage.result))
        tensor: torch.Tensor = passage.result
        self._log.add(passage, f"torch {tensor.device}")
        return tensor

    def to_torch(
        self, array: Any, *, device: Any = None, copy: bool | None = None, readonly: Readonly = "copy"
    ) -> torch.Tensor:
        """Return an array of NumPy, CuPy or another library as a tensor, in its own dtype and shape; as `tensor`."""
        return self.tensor(array, device=device, copy=copy, readonly=readonly)

    def to(self, tensor: Any, device: Any) -> torch.Tensor:
        """Return a tensor on a device: the same tensor if it is there; autograd follows it."""
        return self.tensor(tensor, device=device)

    def to_async(self, tensor: Any, device: Any) -> Pending:
        """Begin to copy a tensor to a device, and return at once what will have it.

        To and from a GPU the copy runs on a stream of its own, through pinned memory of the pool; on the CPU, and for
        what autograd follows, it is done when this returns.

        Examples
        --------
        >>> bridge = TorchBridge()
        >>> pending = bridge.to_async(np.ones(3, np.float32), "cpu")
        >>> pending.done(), pending.result().tolist()
        (True, [1.0, 1.0, 1.0])
        """
        passage, place = self._crossing.arrive(tensor, device=device)
        pending = Pending(passage.result)
        if place != passage.result.device:
            pending, passage = self._crossing.move(passage, place)
        self._log.add(passage, f"torch {place}")
        return pending

    def to_numpy(self, tensor: Any, dtype: str | None = None, *, detach: bool = False) -> Array:
        """Return what a tensor holds as an array, on the same memory where it lies on the CPU.

        Parameters
        ----------
        tensor
            Of torch, or anything that :meth:`tensor` takes.
        dtype
            A dtype that torch lacks and whose values the tensor has, ``"int4"`` for example: an array of that dtype.
        detach
            Whether the gradient is left behind.

        Raises
        ------
        workbench.errors.InputError
            For a tensor that requires grad, without ``detach``; and one that is sparse, quantised or complex32.
        """
        passage = self._crossing.leave(tensor, "to_numpy", detach=detach)
        if dtype is not None:
            narrowed = narrow(passage.result, parse(dtype)[0])
            if narrowed is not passage.result:
                passage = passage._replace(result=narrowed, shared=False, why=f"each element became {dtype}")
        self._log.add(passage, "NumPy")
        array: Array = passage.result
        return array

    def to_bytes(self, tensor: Any, dtype: str | None = None, *, detach: bool = False) -> bytes:
        """Return the bytes of a tensor as files have them: in C order, little-endian, under 8 bits packed.

        The arguments and errors are those of :meth:`to_numpy`.
        """
        passage = self._crossing.leave(tensor, "to_bytes", detach=detach)
        name = passage.dtype if dtype is None else parse(dtype)[0]
        array = narrow(passage.result, name)
        data = pack(array.astype(numpy_dtype(name), copy=False), name).tobytes()
        why = "bytes own their memory" if passage.shared else passage.why
        self._log.add(passage._replace(shared=False, why=why), "bytes", nbytes=len(data))
        return data

    def to_buffer(self, tensor: Any, *, detach: bool = False) -> memoryview:
        """Return the memory of a tensor as 1-D bytes, which are the tensor's own: nothing is copied.

        Raises
        ------
        workbench.errors.InputError
            If it does not lie on the CPU in C order; and as for :meth:`to_numpy`.
        """
        passage = self._crossing.leave(tensor, "to_buffer", detach=detach, shared_only=True)
        array: Array = passage.result
        if not array.flags.c_contiguous or not array.dtype.isnative:
            raise InputError(
                f"to_buffer: {passage.dtype} {array.shape} with strides {array.strides} has no bytes in C order to "
                "share. Use to_bytes, which copies them, or pass tensor.contiguous()."
            )
        self._log.add(passage, "memoryview")
        return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # an array is a buffer

    def to_cupy(self, tensor: Any, *, device: Any = "cuda", detach: bool = False) -> Any:
        """Return a tensor as an array of CuPy, on the same memory where it lies on a GPU.

        Raises
        ------
        workbench.errors.InputError, workbench.errors.MissingLibraryError
            Where there is no CuPy or no GPU, or CuPy does not have the dtype; and as for :meth:`to_numpy`.
        """
        cupy = import_cupy(self.cuda)
        gpu = resolve(device, self.cuda)
        if gpu.type != "cuda":
            raise InputError(f"to_cupy: device={device!r} is no GPU, and CuPy's arrays lie on one.")
        passage, _ = self._crossing.arrive(tensor, readonly="share")
        passage = passage._replace(result=check_plain(passage.result, detach=detach, call="to_cupy"))
        if passage.result.device.type != "cuda":
            passage = self._crossing.moved(passage, gpu)
        found, name = passage.result, name_of(passage.result.dtype)
        carried = carrier(name)
        try:
            array = cupy.from_dlpack(found if carried is None else found.view(torch_dtype(carried.name)))
            array = array if carried is None else array.view(numpy_dtype(name))
        except (TypeError, ValueError, RuntimeError, BufferError) as error:
            raise InputError(f"to_cupy: CuPy cannot hold {describe(found)}: {error}") from error
        self._log.add(passage, f"CuPy {found.device}")
        return array

    @property
    def dtypes(self) -> BridgeDtypes:
        """All dtypes by name, with the bits that files store, the bytes in torch, and what torch holds them as."""
        return BridgeDtypes()

    @property
    def pool(self) -> PoolUsage:
        """What the memory for copies holds at this moment."""
        self._crossing.forget()
        return self._pool.usage

    def empty_pool(self) -> None:
        """Give the free blocks of the pool back to the system."""
        self._crossing.forget()
        self._pool.clear()

    def share_report(self) -> ShareReport:
        """Return the last 1000 transfers: what was shared, what was copied, and why."""
        return self._log.report()


def _leaf(tensor: torch.Tensor) -> torch.Tensor:
    """Return a leaf that requires grad, on the same memory."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise InputError(
            f"requires_grad=True is asked of {describe(tensor)}, and only floating and complex numbers have "
            "gradients. Convert it first, tensor.float()."
        )
    return tensor.detach().requires_grad_()
