"""Parts of the page Influence: heatmap, methods, map, rows."""
