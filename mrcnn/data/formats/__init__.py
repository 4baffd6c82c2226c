"""Readers of the label formats that annotation tools and public data sets write."""
