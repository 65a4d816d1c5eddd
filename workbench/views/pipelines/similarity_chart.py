"""How near texts are to each other: the cosine similarities of their embeddings as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.views import html, template

MOST = 60
"""Of more texts only the first ones are drawn."""
NUMBERS = 14
"""Up to so many texts, the numbers stand in the cells."""
FULL = 0.6
"""How much of the colour a similarity of 1 has; the numbers on it can still be read, on white and on black."""
_LABEL = 34


def similarity(values: np.ndarray[Any, Any], texts: Sequence[str]) -> go.Figure:
    """Draw similarities: blue for alike, none at 0, orange for opposite.

    Parameters
    ----------
    values
        float of shape (texts, texts), from -1 to 1.
    texts
        What the rows and columns stand for.
    """
    values, texts = values[:MOST, :MOST], list(texts[:MOST])
    count = len(texts)
    names = [f"{place}  {template.plain(text, _LABEL)}" for place, text in enumerate(texts, 1)]
    wholes = [template.wrap(html.shorten(text, 240), 60) for text in texts]
    opposite, alike = (",".join(map(str, colour)) for colour in (template.POSITIVE, template.NEGATIVE))
    places = list(range(count))
    drawn = go.Heatmap(
        z=np.asarray(values, np.float64).tolist(),
        x=places,
        y=places,
        zmin=-1,
        zmax=1,
        xgap=1,
        ygap=1,
        showscale=False,
        colorscale=[
            [0.0, f"rgba({opposite},{FULL})"],
            [0.5, f"rgba({opposite},0)"],
            [0.5, f"rgba({alike},0)"],
            [1.0, f"rgba({alike},{FULL})"],
        ],
        text=[[hundredths(value) for value in row] for row in values],
        texttemplate="%{text}" if count <= NUMBERS else "",
        textfont={"color": template.INK, "size": 12},
        customdata=[[f"{wholes[row]}<br><br>{wholes[column]}" for column in places] for row in places],
        hovertemplate="%{customdata}<br><br>cosine %{z:.4f}<extra></extra>",
        name="similarity",
    )
    axis = {"showgrid": False, "zeroline": False, "tickmode": "array", "tickvals": places, "fixedrange": True}
    cell = 34 if count <= NUMBERS else max(8, 480 // count)
    return template.figure(
        drawn,
        height=cell * count + 40,
        xaxis={**axis, "ticktext": [str(place + 1) for place in places], "side": "top", "visible": count <= NUMBERS},
        yaxis={
            **axis,
            "ticktext": names if count <= NUMBERS else [],
            "autorange": "reversed",
            "tickfont": {"color": template.INK, "size": 12},
            "ticklabelstandoff": 8,
        },
    )


def hundredths(value: float) -> str:
    """Write a similarity.

    >>> hundredths(0.7614), hundredths(-0.001), hundredths(-0.5)
    ('0.76', '0.00', '\u22120.50')
    """
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def closest(values: np.ndarray[Any, Any]) -> tuple[int, int, float]:
    """Return the places of the two rows that are nearest to each other, and their similarity.

    >>> closest(np.array([[1, 0.2, 0.9], [0.2, 1, 0.1], [0.9, 0.1, 1]]))
    (0, 2, 0.9)
    """
    rows, columns = np.triu_indices(len(values), 1)
    best = int(np.argmax(values[rows, columns]))
    row, column = int(rows[best]), int(columns[best])
    return row, column, float(values[row, column])
