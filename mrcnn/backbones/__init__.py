"""Networks that compute an image's feature maps: ResNet and the feature pyramid."""
