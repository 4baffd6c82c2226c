# The service on a CPU, for the model folder or exported file that is mounted as /model.
#
#   docker build -f docker/service.Dockerfile -t mrcnn-service .
#   docker run --rm -p 127.0.0.1:5000:5000 -v "$PWD/runs/demo/model/best:/model:ro" mrcnn-service
#
# It listens on all addresses of its container; the run above lets this machine alone reach it. Further options of
# `deploy.py serve` stand at the end of the run.
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir -r requirements.txt && useradd --create-home mrcnn
COPY deploy.py ./
COPY mrcnn mrcnn
COPY presets presets
USER mrcnn
EXPOSE 5000
HEALTHCHECK --start-period=2m CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/ready')"]
ENTRYPOINT ["python", "deploy.py", "serve", "--model", "/model", "--host", "0.0.0.0", "--port", "5000"]
