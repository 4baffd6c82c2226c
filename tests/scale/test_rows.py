"""Rows of results: a worked one, its way back, and the types of the file."""

import io

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra `scale` is not installed")
import pyarrow as pa
import pyarrow.parquet as pq

from mrcnn.predict import compact
from mrcnn.scale import rows
from tests.predict import helpers


def example():
    found = helpers.make_compact([[0, 1, 2, 3], [0, 0, 3, 1]], ("cat", "dog"), (0.75, 0.5), size=(3, 4))
    return found._replace(extras={"keypoints": np.array([[[1, 2.5, 0.1]], [[3, 4, 0]]], np.float32)})


def test_of_detections_makes_a_row():
    row = rows.of_detections("s3://b/a.png", example())
    # columns of the 3 x 4 image, three pixels each: the cat's rows 0 and 1 of columns 1 and 2 are
    # 3 clear, 2 set, 1 clear, 2 set, 4 clear, which COCO writes as "3", "2", "1", and then differences to two before:
    # 2 - 2 = 0 and 4 - 1 = 3; the dog's column 0 is 0 clear, 3 set, 9 clear
    assert row == {
        "image": "s3://b/a.png",
        "height": 3,
        "width": 4,
        "boxes": [[1.0, 0.0, 3.0, 2.0], [0.0, 0.0, 1.0, 3.0]],
        "scores": [0.75, 0.5],
        "class_ids": [1, 2],
        "classes": ["cat", "dog"],
        "masks": ["32103", "039"],
        "extras": ['{"keypoints": [[1.0, 2.5, 0.10000000149011612]]}', '{"keypoints": [[3.0, 4.0, 0.0]]}'],
        "error": None,
    }


def test_to_detections_is_the_inverse_through_a_file():
    found = example()
    [row] = rows.decode(rows.encode([rows.of_detections("a", found)]))
    back = rows.to_detections(row)
    for name in ("boxes", "class_ids", "scores"):
        assert getattr(back, name).dtype == getattr(found, name).dtype
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert (back.class_names, back.size) == (found.class_names, found.size)
    np.testing.assert_array_equal(compact.to_dense(back).masks, compact.to_dense(found).masks)
    np.testing.assert_array_equal(back.extras["keypoints"], found.extras["keypoints"])


def test_an_image_without_detections_differs_from_one_that_failed():
    given = [rows.of_detections("a", compact.empty((5, 6))), rows.of_failure("b", "it is\nbroken")]
    empty, failed = rows.decode(rows.encode(given))
    assert empty == {**given[0], "boxes": [], "scores": [], "masks": [], "extras": []}
    assert failed == {**dict.fromkeys(rows.SCHEMA.names), "image": "b", "error": "it is broken"}
    assert len(rows.to_detections(empty).scores) == 0
    assert rows.to_detections(empty).extras == {}


def test_encode_writes_the_same_columns_and_bytes_for_any_rows():
    columns = "image height width boxes scores class_ids classes masks extras error".split()
    for given in ([], [rows.of_failure("b", "x")], [rows.of_detections("a", example())]):
        data = rows.encode(given)
        assert data == rows.encode(given)
        schema = pq.ParquetFile(io.BytesIO(data)).schema_arrow
        assert schema.names == columns
        assert schema.equals(rows.SCHEMA)
    assert rows.decode(rows.encode([rows.of_failure("b", "x")]), ["error"]) == [{"error": "x"}]


def many():
    """A cat and a dog, a dog alone, nothing, and a failed image."""
    alone = helpers.make_compact([[0, 0, 3, 1]], ("dog",), (0.5,), size=(3, 4))
    made = [rows.of_detections("a", example()), rows.of_detections("b", alone)]
    return [*made, rows.of_detections("c", compact.empty((5, 6))), rows.of_failure("d", "x")]


def test_tally_counts_rows():
    assert rows.tally(many()) == rows.Tally(4, 1, {"cat": 1, "dog": 2})
    assert rows.tally([]) == rows.Tally(0, 0, {})


def test_tally_of_reads_the_footer_alone():
    data = bytearray(rows.encode(many()))
    footer = int.from_bytes(data[-8:-4], "little") + 8  # Parquet: the footer, its length, and the word PAR1
    data[4:-footer] = bytes(len(data) - 4 - footer)
    assert rows.tally_of(io.BytesIO(data)) == rows.Tally(4, 1, {"cat": 1, "dog": 2})
    with pytest.raises(OSError, match="thrift"):
        rows.decode(bytes(data), ["classes"])


def test_tally_of_counts_the_rows_of_a_file_without_counts():
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(many(), schema=rows.SCHEMA), target)
    assert rows.tally_of(target) == rows.Tally(4, 1, {"cat": 1, "dog": 2})
