"""ResNet, FPN, RPN, heads and the whole Mask R-CNN."""
