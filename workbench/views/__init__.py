"""Everything that draws: plotly, ipywidgets, anywidget and HTML live here and nowhere else."""
