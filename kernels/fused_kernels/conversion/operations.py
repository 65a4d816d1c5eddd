"""Operations on rows, columns and matrices: called again with arrays that are ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fused_kernels.catalog import OPS
from fused_kernels.cuda import arrays as gpu_arrays
from fused_kernels.dispatch import lazy_import

from . import tensors
from .arguments import as_array, as_integers, check_needed
from .dtypes import computed_in, result_dtype
from .layout import Layout, apart, taken
from .reference import by_reference, dry_result
from .results import as_keyword, check_dtypes, check_number, each, finished, is_direct

gpu = lazy_import("fused_kernels.cuda.call")


def convert(
    function: Callable[..., Any],
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
    out: Any = None,
    *,
    integers: Mapping[str, Any] | None = None,
    rows: tuple[str, ...] = (),
    results: int = 1,
) -> Any:
    """Call ``function`` with arrays that are ready, and hand the result back as the caller's kind of array.

    Parameters
    ----------
    function
        The public function of an operation; called with all arguments by name.
    arrays
        As received; None stays None. Their common dtype is the result's: NumPy's promotion, integers to float64;
        float16 and bfloat16 are computed in float32 and rounded once.
    options
        Passed on.
    out
        As received: any array of the caller's library into which the result can be cast (``"same_kind"``), or a tuple
        of them where the result is a tuple.
    integers
        Indices and masks, which have no part in the dtype of the result: they become C-contiguous int64 or bool.
    rows
        Names of the arrays for which `dispatch.are_rows` is enough; all others become C-contiguous.
    results
        How many arrays the function returns; more than one as a tuple.

    Raises
    ------
    DtypeError
        For complex, text, object and masked arrays, tensors that require grad, and arrays on another device.
    ShapeError
        If ``out`` has another shape than the result.
    """
    name, integers = function.__name__, integers or {}
    check_number(name, out, results)
    library = gpu_arrays.of(arrays.values())
    if library is None and (integers or out is not None):
        library = gpu_arrays.of((*integers.values(), *each(out)))
    if library is not None:
        return gpu.run(function, library, arrays, options, out, integers=integers)
    received = {**arrays, **integers}
    if tensors.are_among(*received.values(), *each(out)):
        return tensors.call(function, received, options, out)
    check_needed(function, received)
    given = {key: as_array(name, key, value) for key, value in arrays.items()}
    common = result_dtype(name, given)
    check_dtypes(name, out, common)
    more = dict(options)
    for key, value in integers.items():
        whole = as_integers(name, key, value)
        kind = np.dtype(bool if whole is not None and whole.dtype.kind == "b" else np.int64)
        more[key] = taken(key, whole, kind, each(out), "contiguous")
    dtype = computed_in(common)
    if dtype is None:
        return by_reference(
            name,
            lambda: OPS[name].reference(**given, **more),
            planned=dry_result(function, given, more),
            out=out,
            dtype=common,
        )

    def layout(key: str) -> Layout:
        return "rows" if key in rows else "contiguous"

    prepared = {key: taken(key, value, dtype, each(out), layout(key)) for key, value in given.items()}
    direct = is_direct(out, dtype, layout("out"))
    if direct and all(prepared[key] is value for key, value in arrays.items()):
        # Nothing was to convert, so what the operation cannot do is to work in place.
        prepared = {key: apart(key, value, each(out)) for key, value in prepared.items()}
    found = function(**prepared, **more, **as_keyword(out if direct else None))
    return out if direct else finished(name, out, found, common=common, computed=dtype, layout=layout("out"))
