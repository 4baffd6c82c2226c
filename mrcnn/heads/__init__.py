"""What a detector adds to a feature pyramid: proposals, boxes, masks."""
