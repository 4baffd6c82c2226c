"""Serves one SavedModel by the gRPC interface of TensorFlow Serving, on a free port of this machine, which it prints.

A small substitute for TensorFlow Serving in tests. Messages and service are those of `tensorflow-serving-api`; the
model is loaded by the tag `serve` and called by the names of a signature and of its tensors. Arguments: the model's
folder, its name.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers the calls of `Predict`."""

    def __init__(self, folder, name):
        self.name, self.model = name, tf.saved_model.load(folder, tags=["serve"])

    def Predict(self, request, context):
        signature = request.model_spec.signature_name or "serving_default"
        if request.model_spec.name != self.name or signature not in self.model.signatures:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {request.model_spec.name}")
        function = self.model.signatures[signature]
        wanted = function.structured_input_signature[1]
        given = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        if set(given) != set(wanted):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"input size does not match signature: {sorted(given)}")
        for name, value in given.items():
            if tf.as_dtype(value.dtype) != wanted[name].dtype and value.dtype != object:  # bytes are objects in NumPy
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{name}: expected {wanted[name].dtype.name}")
        found = function(**{name: tf.constant(value, wanted[name].dtype) for name, value in given.items()})
        answer = predict_pb2.PredictResponse()
        for name in request.output_filter or found:
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(found[name].numpy()))
        return answer


def main(folder, name):
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_send_message_length", 1 << 30)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(folder, name), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
