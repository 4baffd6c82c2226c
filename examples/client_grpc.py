"""Sends an image to TensorFlow Serving over gRPC and prints its objects.

    pip install tensorflow-serving-api
    python examples/client_grpc.py photo.jpg [ADDRESS [MODEL]]

ADDRESS is 127.0.0.1:8500 unless given, MODEL the name of the model there, mrcnn unless given. Each line of the output
is an object: class id, score, and y1 x1 y2 x2 in pixels. Masks are not requested; remove
`output_filter` to get them.
"""

import sys
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

LARGEST = 1 << 30  # bytes of a message; gRPC's default of 4 MB is too small for masks


def main(image: str, address: str = "127.0.0.1:8500", model: str = "mrcnn") -> None:
    """Prints the objects of an image file, or exits with the server's error."""
    request = predict_pb2.PredictRequest(output_filter=["class_ids", "scores", "boxes"])
    request.model_spec.name = model
    request.model_spec.signature_name = "encoded"
    request.inputs["encoded"].CopyFrom(tf.make_tensor_proto(Path(image).read_bytes()))
    options = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
    with grpc.insecure_channel(address, options) as channel:
        try:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=300)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
    found = {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}
    for class_id, score, box in zip(found["class_ids"], found["scores"], found["boxes"], strict=True):
        print(class_id, f"{score:.3f}", *(f"{side:.1f}" for side in box))


if __name__ == "__main__":
    main(*sys.argv[1:])
