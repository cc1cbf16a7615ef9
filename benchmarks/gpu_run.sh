#!/usr/bin/env bash
# Runs everything that needs an NVIDIA GPU, in about eight minutes, without a network.
#
#     WHEELS=wheels BUNDLE=runs/NAME/bundle benchmarks/gpu_run.sh
#
# The steps, each under a time limit; a step that fails does not stop the others:
#
#     install   the wheels of a folder into a folder of their own, ahead of the interpreter's packages
#     device    the driver, the versions and the execution providers of ONNX Runtime
#     parity    device_parity.py: the GPU's answers beside the CPU's
#     swaps     gpu_swaps.py: retrieval while bundles are loaded beside it
#     search    gpu_search.py, one run for each catalogue size
#     serve     serve_ceiling.py, first with the bundle on the GPU, then on the CPU of the same machine
#
# The interpreter needs torch, onnx and onnxscript for gpu_search.py, and CUDA's libraries (torch brings them). What else
# the service imports comes from WHEELS, onnxruntime-gpu and a wheel of this project included: of that one only the
# metadata counts, since the code that runs is the checkout. OUT receives gpu_run.log (all output), results.jsonl (a JSON
# object for each step: step, status, seconds, result) and summary.txt. The exit status is the number of failures.
#
# Variables, with their defaults:
#     DEVICE=cuda           cpu tries the script without a GPU
#     PYTHON=python3        the interpreter
#     WHEELS=               folder of wheels; empty installs nothing
#     SITE=                 folder to install into, kept and used again; empty takes a temporary one
#     BUNDLE=runs/demo/bundle        a store of bundles, or a tar archive of one
#     OUT=gpu-results       folder for the results
#     LIMIT_S=560           seconds for the whole run; steps that no longer fit are skipped
#     ITEMS="10000 100000 1000000"   catalogue sizes for gpu_search.py
#     BATCHES=1,2,4,8,16,32,64       requests at once for gpu_search.py
#     ROUNDS=2              rounds of gpu_search.py, and of serve_ceiling.py
#     SECONDS_EACH=2        length of one measurement of serve_ceiling.py
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
DEVICE=${DEVICE:-cuda}
PYTHON=${PYTHON:-python3}
WHEELS=${WHEELS:-}
SITE=${SITE:-}
BUNDLE=${BUNDLE:-runs/demo/bundle}
OUT=${OUT:-gpu-results}
LIMIT_S=${LIMIT_S:-560}
ITEMS=${ITEMS:-10000 100000 1000000}
BATCHES=${BATCHES:-1,2,4,8,16,32,64}
ROUNDS=${ROUNDS:-2}
SECONDS_EACH=${SECONDS_EACH:-2}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
SITE=${SITE:-$scratch/site}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
: >"$OUT/gpu_run.log"
: >"$OUT/results.jsonl"
: >"$OUT/summary.txt"
failed=0
export PYTHONUNBUFFERED=1 TYPER_STANDARD_TRACEBACK=1

say() { # a line of the summary
  echo "$*" | tee -a "$OUT/summary.txt" "$OUT/gpu_run.log"
}

step() { # NAME LIMIT COMMAND...: run it, keep its output, and its last line where that is JSON
  local name=$1 limit=$2 left=$((LIMIT_S - SECONDS)) began=$SECONDS status result
  shift 2
  if ((left < 10)); then
    say "$name: skipped, $left s of $LIMIT_S left"
    failed=$((failed + 1))
    return 1
  fi
  ((limit < left)) || limit=$left
  echo "== $name (limit $limit s): $*" | tee -a "$OUT/gpu_run.log"
  timeout -k 10 "$limit" "$@" 2>&1 | tee "$scratch/output" | tee -a "$OUT/gpu_run.log"
  status=${PIPESTATUS[0]}
  result=$(tail -n 1 "$scratch/output")
  [[ $result == \{*\} ]] || result=null
  printf '{"step": "%s", "status": %d, "seconds": %d, "result": %s}\n' \
    "$name" "$status" $((SECONDS - began)) "$result" >>"$OUT/results.jsonl"
  say "$name: status $status in $((SECONDS - began)) s"
  ((status == 0)) || failed=$((failed + 1))
  return "$status"
}

# shellcheck disable=SC2329 # called through bash -c
install() {
  if [[ -e $SITE/.installed ]]; then
    echo "$SITE holds the wheels already"
    return
  fi
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --disable-pip-version-check \
    --root-user-action ignore --target "$SITE" "$WHEELS"/*.whl && touch "$SITE/.installed"
}

libraries() { # CUDA's libraries as the interpreter's packages bring them, joined by colons
  "$PYTHON" - <<'PY'
import site
import sysconfig
from pathlib import Path

paths = sysconfig.get_paths()
roots = dict.fromkeys([paths["purelib"], paths["platlib"], *site.getsitepackages()])
found = [folder for root in roots for folder in sorted(Path(root).glob("nvidia/*/lib")) if folder.is_dir()]
print(":".join(map(str, found)))
PY
}

# shellcheck disable=SC2329 # called through bash -c
show_device() {
  if [[ $DEVICE == cuda ]]; then
    nvidia-smi || return
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem --format=csv || return
  fi
  nproc
  "$PYTHON" - "$DEVICE" <<'PY'
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import onnxruntime

wanted = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}[sys.argv[1]]
providers = onnxruntime.get_available_providers()
shown = {"python": platform.python_version(), "onnxruntime": onnxruntime.__version__, "providers": providers}
for name in ("numpy", "torch", "onnx", "onnxscript", "fastapi", "uvicorn"):
    try:
        shown[name] = version(name)
    except PackageNotFoundError:
        shown[name] = None
try:
    import torch

    if torch.cuda.is_available():
        shown |= {"gpu": torch.cuda.get_device_name(), "capability": torch.cuda.get_device_capability()}
except ImportError as error:
    shown["torch"] = str(error)
print(onnxruntime.__file__)
print(json.dumps(shown))
sys.exit(wanted not in providers)
PY
}

export -f install show_device
export DEVICE PYTHON WHEELS SITE

[[ -z $WHEELS ]] || step install 120 bash -c install
[[ ! -d $SITE ]] || PYTHONPATH=$SITE${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
cuda_libraries=$(libraries)
export LD_LIBRARY_PATH=$cuda_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if [[ -f $BUNDLE ]]; then
  mkdir "$scratch/bundle"
  "$PYTHON" -m tarfile --filter data -e "$BUNDLE" "$scratch/bundle" || say "the archive $BUNDLE cannot be read"
  BUNDLE=$scratch/bundle
fi

step device 60 bash -c show_device
step parity 90 "$PYTHON" benchmarks/device_parity.py --device "$DEVICE" --bundle "$BUNDLE"
step swaps 60 "$PYTHON" benchmarks/gpu_swaps.py --device "$DEVICE" --bundle "$BUNDLE"
first=1
for items in $ITEMS; do
  step "search_$items" 150 "$PYTHON" benchmarks/gpu_search.py --device "$DEVICE" --items "$items" \
    --batches "$BATCHES" --rounds "$ROUNDS"
  if ((first)); then # the service is measured before the large catalogues take the time that is left
    first=0
    for place in $(printf '%s\n' "$DEVICE" cpu | uniq); do
      step "serve_$place" 120 env "AISLE_DEVICE=$place" "$PYTHON" benchmarks/serve_ceiling.py --bundle "$BUNDLE" \
        --no-redis --rounds "$ROUNDS" --seconds "$SECONDS_EACH"
    done
  fi
done
if grep -qE "the GPU fails|the GPU captures no further kernels" "$OUT/gpu_run.log"; then
  say "a service gave up its GPU, or a capture failed: see gpu_run.log"
  failed=$((failed + 1))
fi
say "$failed steps failed, $SECONDS s in all"
exit "$failed"
