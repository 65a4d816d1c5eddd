"""Loops over whole arrays, cut into shares for the threads: what an operation hands its few lines of arithmetic to.

- `forms`: the forms that each loop is compiled in, and which one suits a size.
- `elements`: a function of scalars over broadcast arrays; `strided` where they lie apart or are converted on the way;
  `element` is what both do with one.
- `rows`: each row of a matrix into a row of the result, or a row of each of two into two.
- `columns`: along an axis that is not the last.
- `launch` and `elements_launch`: how the loops over rows and elements are started, small ones in one step from Python.
"""
