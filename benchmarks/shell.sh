#!/bin/sh
# The plainest client of a shell, for comparison: one job with curl and jq.  shell.sh ORIGIN FOLDER NUMBER
# parallel -j64 benchmarks/shell.sh ORIGIN FOLDER ::: 1 2 3 ...
set -e
request=$(curl -sf -H "Authorization: Bearer benchmark" -H "Content-Type: application/json" \
    -d "{\"prompt\":\"benchmark $3\",\"seed\":$3}" "$1/v1/models/google/nano-banana-2/text-to-image" | jq -r .request_id)
[ "$(curl -sf "$1/v1/requests/$request/status" | jq -r .status)" = completed ]
url=$(curl -sf "$1/v1/requests/$request/result" | jq -r '.output.images[0].url')
curl -sf -o "$2/$3.png" "$url"
echo "{\"job\":$3,\"request_id\":\"$request\"}" >> "$2/log.jsonl"
