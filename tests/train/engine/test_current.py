from mrcnn.train.engine import tensorflow
from mrcnn.train.engine.current import engine


def test_engine_is_that_of_the_back_end():
    assert engine is tensorflow
