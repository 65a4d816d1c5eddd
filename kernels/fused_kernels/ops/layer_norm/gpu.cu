// layer_norm: weight and bias, if there are any, are applied by what writes the row.
#include "normal.cuh"

template <class A> using LayerNorm = Normal<A>;
