"""Measuring: protocol, machine, report."""
