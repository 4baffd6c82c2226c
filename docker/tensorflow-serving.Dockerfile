# TensorFlow Serving with an exported SavedModel inside.
#
#   python deploy.py export --model runs/demo/model/best --out models/coins/1
#   docker build -f docker/tensorflow-serving.Dockerfile --build-arg MODELS=models/coins -t coins .
#   docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 coins
#
# Requests go to /v1/models/mrcnn:predict on port 8501, or by gRPC to port 8500.
FROM tensorflow/serving:2.19.1
ARG MODELS
COPY ${MODELS} /models/mrcnn
ENV MODEL_NAME=mrcnn
EXPOSE 8500 8501
