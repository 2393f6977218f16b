"""Published results, produced again with Rheostat and set beside what was published."""
