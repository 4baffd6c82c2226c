"""An image's feature maps: ResNet and the feature pyramid."""
