#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# From a fresh machine to text of your own model: installs packages, builds, trains a small GPT over two MPI ranks on
# the King James Bible, or on the text file you name, and lets it write: scripts/quickstart.sh [TEXT]
set -eu
text=""
if [ $# -gt 0 ]; then text=$(realpath "$1"); fi
cd "$(dirname "$0")/.."

scripts/setup.sh quickstart
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

echo "== building"
cmake --preset release >/dev/null
cmake --build build/release --target tessera | tail -n 1
tessera=build/release/bin/tessera

mkdir -p data runs
if [ -z "$text" ]; then
  name=quickstart
  text=data/bible.txt
  prompt="And the king said"
  [ -s "$text" ] || bible -f 'Gen1:1-Rev22:21' >"$text"
else
  name=quickstart-$(basename "$text")
  prompt=""
fi
if [ ! -s "data/$name.h5" ]; then
  echo "== preparing the text"
  "$tessera" data train-tokenizer --input "$text" --vocab 1024 --output "data/$name.tokenizer.json"
  "$tessera" data prepare --input "$text" --tokenizer "data/$name.tokenizer.json" --output "data/$name.h5"
fi

echo "== training on two ranks (a finished run is not repeated: remove runs/$name to start over)"
mpirun -n 2 --oversubscribe --bind-to none "$tessera" train --config configs/runs/quickstart.cfg \
  --data.train="data/$name.h5" --run.dir="runs/$name" --run.threads=1

echo "== writing"
"$tessera" generate --checkpoint "runs/$name" --prompt "$prompt" --tokens 120 --temperature 0.8 --seed 1
