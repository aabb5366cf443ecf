"""Geometry of the page's pictures; the templates write them as SVG without a style or a script."""
