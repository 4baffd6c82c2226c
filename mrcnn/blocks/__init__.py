"""Convolution, batch norm and initial values: what backbones and heads are made of."""
