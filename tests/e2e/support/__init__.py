"""The parts of the end-to-end helper; tests import them through harness.py."""
