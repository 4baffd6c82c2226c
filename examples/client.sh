#!/bin/sh
# Sends an image to the service by the Open Inference Protocol v2 and prints the answer, without masks; needs curl and
# base64.
#
#   sh examples/client.sh photo.jpg [URL [MODEL]]
#
# URL is http://127.0.0.1:5000 unless given, MODEL the name of the model there, mrcnn unless given.
set -eu
url=${2:-http://127.0.0.1:5000}
model=${3:-mrcnn}
{
  printf '{"inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": ["'
  base64 < "$1" | tr -d '\n'
  printf '"]}], "outputs": [{"name": "class_ids"}, {"name": "scores"}, {"name": "boxes"}]}'
} | curl --silent --show-error --fail-with-body --data @- "$url/v2/models/$model/infer"
