"""The input pipeline: makes batches from samples, with `tf.data` or threads as the back end needs.

One call reads an image, draws its objects, augments both and fits them into the model input. Several calls run in
parallel; the order of the results does not depend on their speed. Annotation files are not read here: they were parsed
when the samples were made.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.config.train import CopyPasteConfig, TrainConfig
from mrcnn.data import copy_paste, repeat, scale_jitter, streams
from mrcnn.data import shapes as input_shapes
from mrcnn.data.augment import Augmenter
from mrcnn.data.batching import Shapes, empty_example, example_spec, make_example
from mrcnn.data.order import derive_seed, steps_per_epoch
from mrcnn.data.rasterize import draw_sample
from mrcnn.data.read_sample import read_sample
from mrcnn.data.share import WHOLE, Share
from mrcnn.data.skipped import Skipped
from mrcnn.data.streams import Batches
from mrcnn.fields.table import Fields, of_model
from mrcnn.images import limits, pixels
from mrcnn.structures import SEMANTIC, GroundTruth, Instances, Sample

BROKEN = input_shapes.UNREADABLE  # any other error is a bug
SCALE_DRAW = 2**20  # part of the seed of an image's scale, beyond the numbers of augmenters


def train_dataset(
    samples: Sequence[Sample],
    config: TrainConfig,
    *,
    batch_size: int,
    skipped: Skipped,
    start_epoch: int = 0,
    start_step: int = 0,
    workers: int | None = None,
    share: Share = WHOLE,
) -> tuple[Batches, int]:
    """Makes the endless stream of training batches.

    The order of an epoch depends only on the seed and the epoch's number, so a stream that starts at (epoch, step) is
    the same, bit for bit, as the rest of one that started earlier. A broken image is replaced by the next good one of
    the same epoch.

    Args:
        samples: the training set.
        config: `input_size`, `model`, `augmentation`, `scale_jitter`, `copy_paste`, `sampling`, `max_image_mb` and
            `seed` are read.
        batch_size: images per step, over all devices together.
        skipped: collects broken images; read the dataset inside `skipped.surfaced()`.
        start_epoch: zero-based epoch of the first batch.
        start_step: zero-based step of the first batch in that epoch.
        workers: images prepared at the same time; None for one per processor.
        share: the part of each batch that this process trains on; it is divided between the process's devices.

    Returns:
        Dictionaries `Batch._asdict()` with the extra fields and maps of the samples: a `tf.data.Dataset`, or a
        `keras.utils.PyDataset` of arrays without TensorFlow; and the number of steps in an epoch.

    Raises:
        UserError: an augmenter is not allowed or its arguments are wrong.
        ValueError: there are no samples.
    """
    shapes = sizes(config, samples, training=True)
    stream = TrainImages(samples, config, batch_size=batch_size, skipped=skipped)

    def load(position: int) -> Iterable[np.ndarray]:
        drawn = stream.at(share.position(position, batch_size=batch_size))
        return make_example(
            drawn.image,
            drawn.instances,
            shapes=shapes,
            image_id=drawn.image_id,
            seed=drawn.seed,
            input_hw=drawn.input_hw,
            min_dim=drawn.min_dim,
        ).values()

    steps = stream.steps
    start = (start_epoch * steps + start_step) * share.images(batch_size)
    own = share.images(batch_size) // share.devices
    made = streams.current().endless(load, example_spec(shapes), start=start, batch_size=own, workers=workers)
    return made, steps


class Augmented(NamedTuple):
    """One image of a training stream, before it is fitted into the model input.

    Attributes:
        image_id: index of its sample.
        image: `[H, W, channels]` uint8, augmented.
        instances: its objects.
        seed: for further random choices about this image.
        input_hw: height and width of the model input of its batch.
        min_dim: length of its short side in the model input, pixels.
    """

    image_id: int
    image: np.ndarray
    instances: Instances
    seed: int
    input_hw: tuple[int, int]
    min_dim: int


class TrainImages:
    """The images of the endless training stream, by position; see `train_dataset`."""

    def __init__(self, samples: Sequence[Sample], config: TrainConfig, *, batch_size: int, skipped: Skipped):
        """Builds the augmenter.

        Args:
            samples: the training set.
            config: as for `train_dataset`.
            batch_size: images per step, over all devices together.
            skipped: collects broken images.

        Raises:
            UserError: an augmenter is not allowed or its arguments are wrong.
            ValueError: there are no samples.
        """
        self.steps = steps_per_epoch(epoch_length(samples, config), batch_size)
        self._samples, self._skipped, self._batch_size = samples, skipped, batch_size
        self._seed, self._channels, self._reading = config.seed, config.model.channels, reading(config)
        self._copy_paste = config.copy_paste
        self._augmenter = Augmenter(
            [entry.model_dump() for entry in config.augmentation], seed=config.seed, fields=_fields(config, samples)
        )
        self._jitter, self._canvas_hw = config.scale_jitter, (config.input_size.max_dim,) * 2
        # the canvas of a jitter is the model input already, which a rule that shrinks to `min_dim` must not change
        least = config.input_size.max_dim if config.scale_jitter else config.input_size.min_dim
        self._min_dims = config.input_size.train_min_dims or (least,)
        self._order = image_order(samples, config, batch_size=batch_size)

    def at(self, position: int) -> Augmented:
        """Reads and augments one image.

        Args:
            position: counted over all batches of all epochs from 0.

        Raises:
            UserError: no image of the set can be used.
        """
        samples, seed = self._samples, self._seed
        epoch, place = divmod(position, self.steps * self._batch_size)
        order, shapes = self._order.epoch(epoch)
        for index in map(int, itertools.chain(order[place:], order[:place], range(len(samples)))):
            try:
                # seeded by place: in a set smaller than a batch an image repeats, with another augmentation
                image, instances = self._augmented(index, epoch, place)
            except BROKEN as error:
                self._skipped.add(samples[index].name, error)
                continue
            if self._copy_paste:  # a place beyond all others of the epoch, for random numbers of its own
                beyond = place + self.steps * self._batch_size
                image, instances = self._pasted(image, instances, self._copy_paste, epoch=epoch, place=beyond)
            input_hw = shapes[place // self._batch_size]
            min_dim = self._min_dims[derive_seed(seed, epoch, place, SCALE_DRAW) % len(self._min_dims)]
            return Augmented(index, image, instances, derive_seed(seed, epoch, place), input_hw, min_dim)
        self._skipped.fail(f"no image can be used: {self._skipped.summary()}")

    def _augmented(self, index: int, epoch: int, place: int) -> tuple[np.ndarray, Instances]:
        read = read_sample(self._samples[index], self._channels, **self._reading)
        image, instances = self._augmenter(*read, epoch=epoch, place=place)
        if self._jitter is None:
            return image, instances
        scales = (self._jitter.min_scale, self._jitter.max_scale)
        rng = np.random.default_rng(derive_seed(self._seed, epoch, place, SCALE_DRAW))
        placement = scale_jitter.draw(image.shape[:2], self._canvas_hw, scales=scales, rng=rng)
        return scale_jitter.place(image, instances, placement)

    def _pasted(
        self, image: np.ndarray, instances: Instances, rule: CopyPasteConfig, *, epoch: int, place: int
    ) -> tuple[np.ndarray, Instances]:
        """Pastes objects of a random image onto this one, with the rule's probability.

        The image is drawn from the same set; if it is broken, this one stays unchanged.
        """
        rng = np.random.default_rng(derive_seed(self._seed, epoch, place))
        if rng.random() >= rule.probability:
            return image, instances
        index = int(rng.integers(len(self._samples)))
        try:
            source, objects = self._augmented(index, epoch, place)
        except BROKEN as error:
            self._skipped.add(self._samples[index].name, error)
            return image, instances
        chosen = copy_paste.choose(objects, share=rule.object_share, rng=rng)
        return copy_paste.paste_objects(image, instances, source=source, source_instances=objects, chosen=chosen)


def val_dataset(
    samples: Sequence[Sample],
    config: TrainConfig,
    *,
    batch_size: int,
    skipped: Skipped,
    workers: int | None = None,
    share: Share = WHOLE,
) -> Batches:
    """Makes one pass over a set, without augmentation; broken images are left out.

    Images with the same model-input shape follow each other; within a shape they keep the set's order.

    Args:
        samples: the validation set.
        config: `input_size`, `model`, `max_image_mb` and `seed` are read.
        batch_size: images per step; the last batch of each shape may have fewer.
        skipped: collects broken images; read the dataset inside `skipped.surfaced()`.
        workers: images prepared at the same time; None for one per processor.
        share: whose batches of the set are made; unless images are broken, each is one that a single process makes.

    Returns:
        Dictionaries as of `train_dataset`; `image_ids` holds the index of each sample. Every pass is the same.
    """
    shapes, how = sizes(config, samples), reading(config)

    def load(index: int) -> Iterable[np.ndarray]:
        seed = derive_seed(config.seed, index)
        try:
            image, instances = read_sample(samples[index], shapes.channels, **how)
        except BROKEN as error:
            skipped.add(samples[index].name, error)
            return empty_example(shapes).values()
        return make_example(image, instances, shapes=shapes, image_id=index, seed=seed).values()

    groups = input_shapes.grouped(input_shapes.needed(samples, config.input_size, fit=config.model.image_fit))
    own = share.whole_batches(groups, batch_size=batch_size)
    return streams.current().one_pass(load, example_spec(shapes), own, batch_size=batch_size, workers=workers)


def read_image(sample: Sample, config: TrainConfig) -> np.ndarray:
    """Reads the image of a sample as a run reads it, `[H, W, channels]` uint8; errors are those of `read_sample`."""
    return read_sample(sample, config.model.channels, **reading(config))[0]


def ground_truth(sample: Sample) -> GroundTruth:
    """Draws the objects of a sample; reads the image only if its size is unknown.

    Returns:
        The size of the image, and the objects and regions to ignore in its pixels.

    Raises:
        UserError: the annotation does not contain the size and the image cannot be read.
    """
    height, width = sample.size_hw or pixels.image_size(sample.image_path)
    return GroundTruth(height, width, draw_sample(sample, height=height, width=width))


def image_order(samples: Sequence[Sample], config: TrainConfig, *, batch_size: int) -> input_shapes.ShapedOrder:
    """Computes the order of a run's training images.

    Args:
        samples: the training set.
        config: `input_size`, `model`, `sampling` and `seed` are read.
        batch_size: images per step, over all devices together.

    Raises:
        ValueError: there are no samples.
    """
    needs = input_shapes.needed(samples, config.training_size, fit=config.model.image_fit)
    factors = repeat_factors(samples, config)
    return input_shapes.ShapedOrder(needs, batch_size=batch_size, seed=config.seed, factors=factors)


def epoch_length(samples: Sequence[Sample], config: TrainConfig) -> int:
    """Counts the images of an epoch, before what is left over by the division into batches is left out."""
    factors = repeat_factors(samples, config)
    return len(samples) if factors is None else repeat.epoch_length(factors)


def repeat_factors(samples: Sequence[Sample], config: TrainConfig) -> np.ndarray | None:
    """Computes how often each training image comes in an epoch on average; None where each comes once."""
    if config.sampling is None:
        return None
    return repeat.image_factors(samples, threshold=config.sampling.repeat_threshold)


def reading(config: TrainConfig) -> dict[str, int | None]:
    """Collects the settings of `read_sample` from a config."""
    return {"image_range": config.model.image_range, "most": config.max_image_mb * limits.MEGABYTE}


def sizes(config: TrainConfig, samples: Sequence[Sample], *, training: bool = False) -> Shapes:
    """Collects the fixed sizes of a run's batches of training or validation."""
    size = config.training_size if training else config.input_size
    return Shapes(
        min_dim=config.input_size.min_dim,
        max_dim=config.input_size.max_dim,
        channels=config.model.channels,
        max_gt_instances=config.model.max_gt_instances,
        gt_mask_size=config.model.gt_mask_size,
        image_resize=config.model.image_resize,
        shape=size.settled_shape,
        fit=config.model.image_fit,
        fields=_fields(config, samples),
        maps=(SEMANTIC,) if samples and samples[0].stuff is not None else (),
    )


def _fields(config: TrainConfig, samples: Sequence[Sample]) -> Fields:
    """Finds the extra fields of a set, all of whose samples have the same ones."""
    return of_model(samples[0].extras if samples else (), config.model)
