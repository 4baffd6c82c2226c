"""The cascade: box heads in stages, each trained on and applied to the boxes of the one before.

Source: Cascade R-CNN (2018), as detectron2 builds it (`modeling/roi_heads/cascade_rcnn.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from mrcnn.heads.box import head as box
from mrcnn.heads.box.decode import Found
from mrcnn.heads.box.head import Boxes, BoxOutputs
from mrcnn.heads.cascade import refine
from mrcnn.heads.head import Across, Losses
from mrcnn.structures import Choices, Proposals, Size, Tensor, of_stage

_BOXES = ("gt_boxes", "windows")  # fields of a batch that enter the head's frame


class CascadeBoxes(Boxes):
    """Box heads in stages; a stage classifies and refines all boxes of the stage before.

    In training, the first stage draws the sample, with the objects' own boxes if its `targets` add them; the later
    stages label its refined boxes anew by their own IoU. At inference, the scores of a region are the mean over the
    stages, and its box is that of the last one. All stages read the same feature maps, so each passes only its share of
    the gradient down to them.
    """

    def __init__(
        self,
        *,
        later_networks: Sequence[keras.layers.Layer],
        later_targets: Sequence[keras.layers.Layer],
        **kwargs: Any,
    ) -> None:
        """Stores the layers.

        Args:
            later_networks: a class-agnostic `BoxHead` for each stage from the second on.
            later_targets: a `StageTargetGenerator` for each of them.
            **kwargs: of `Boxes`; `network` and `targets` are those of the first stage, `detections` has the `delta_std`
                of the last one.
        """
        super().__init__(**kwargs)
        self.later_networks, self.later_targets = list(later_networks), list(later_targets)
        stages = range(1, len(self.later_networks) + 2)
        self.loss_names = tuple(of_stage(name, stage) for stage in stages for name in box.LOSSES)
        texts = [text if stage == 1 else f"{text}, stage {stage}" for stage in stages for text in box.LOSSES.values()]
        self.loss_labels = dict(zip(self.loss_names, texts, strict=True))
        self.class_layers = tuple(of_stage(name, stage) for stage in stages for name in type(self).class_layers)

    @property
    def networks(self) -> tuple[keras.layers.Layer, ...]:
        """The network of each stage."""
        return (self.network, *self.later_networks)

    def outputs(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        batch: Mapping[str, Tensor],
        *,
        image_size: Size,
        training: bool,
    ) -> BoxOutputs:
        """Samples the training regions, and classifies, refines and labels them stage by stage; see `Boxes.outputs`.

        Returns:
            `BoxOutputs` of the first stage, on whose sample the other heads of the model are trained, as in detectron2;
            `later` has the outputs of the others, slot by slot for the refined regions.
        """
        batch = {name: self.frame.enter(value) if name in _BOXES else value for name, value in batch.items()}
        targets = self.targets(self.entered(proposals), batch)
        stages: list[BoxOutputs] = []
        for network in self.networks:
            if stages:
                last = stages[-1]
                regions = self._refined(last.targets.rois, last.box_deltas, batch["windows"], stage=len(stages))
                targets = self.later_targets[len(stages) - 1](regions, last.targets.valid, batch)
            logits, deltas = self._run(network, pyramid, targets.rois, image_size=image_size, training=training)
            stages.append(BoxOutputs(logits, deltas, targets))
        first, *later = (self.outputs_in_pixels(outputs) for outputs in stages)
        return first._replace(later=tuple(later), classes=self.local_classes(batch))

    def losses(self, outputs: BoxOutputs, *, across: Across) -> Losses:
        """Computes the class and the box loss of each stage, by name; see `Head.losses`."""
        found: Losses = {}
        classes = self.chosen_classes(outputs, across=across)
        for stage, predicted in enumerate((outputs, *outputs.later), start=1):
            found |= self.losses_of_stage(predicted, stage, classes=classes, across=across)
        return found

    def detect(
        self,
        pyramid: Sequence[Tensor],
        proposals: Proposals,
        windows: Tensor,
        *,
        image_size: Size,
        choices: Choices,
    ) -> Found:
        """Detects objects among the proposals; see `Boxes.detect`."""
        windows, proposals = self.frame.enter(windows), self.entered(proposals)
        regions, deltas = proposals.boxes, None
        logits: list[Tensor] = []
        for network in self.networks:
            if logits:
                regions = self._refined(regions, deltas, windows, stage=len(logits))
            stage_logits, deltas = self._run(network, pyramid, regions, image_size=image_size, training=False)
            logits.append(stage_logits)
        refined, scores = (
            proposals._replace(boxes=regions),
            refine.average_scores(logits, scoring=self.detections.scoring),
        )
        return self.detections_in_pixels(
            self.detections.of_scores(refined, scores, deltas, windows=windows, choices=choices)
        )

    def _run(
        self, network: keras.layers.Layer, pyramid: Sequence[Tensor], rois: Tensor, *, image_size: Size, training: bool
    ) -> tuple[Tensor, Tensor]:
        features = self.features_of(pyramid, rois, image_size=image_size)
        if training:
            features = refine.scale_gradient(features, 1.0 / len(self.networks))
        return box.by_slot(network(features, training=training), slots=rois.shape[1])

    def _refined(self, regions: Tensor, box_deltas: Tensor, windows: Tensor, *, stage: int) -> Tensor:
        """Refines regions by the deltas of a stage, from 1; all classes have the same."""
        std = (self.targets, *self.later_targets)[stage - 1].delta_std
        return refine.refine_boxes(regions, box_deltas[:, :, 0], windows, delta_std=tuple(std))
