"""Faults put into running searches, and whether anything was lost, doubled or left behind."""
