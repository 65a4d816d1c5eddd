"""What shows races: panels, charts, tables, reports, and the magic of cells."""
