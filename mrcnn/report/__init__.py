"""Pictures and figures of labelled data: the HTML report of `mrcnn check` and the training batches of `mrcnn look`."""
