"""Building blocks of backbones and heads: convolution, batch norm and initial values."""
