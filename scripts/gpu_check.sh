#!/usr/bin/env bash
# All that is to be known on a GPU, in under eight minutes, as one Markdown table that grows row by row.
#
#   scripts/gpu_check.sh pack     where there is a network: the packages that a bare machine with PyTorch lacks, without their
#                                 own tests, in packages.tar.xz (TORCHVISION=0.26.0 for the one that goes with its torch),
#                                 by the version of Python that the bare machine has
#   scripts/gpu_check.sh          on the machine with the GPU: the checks, most telling first
#
# DEVICE=cpu tries the checks out. TABLE is the file of the table, LOGS a folder that keeps what each check said, LIMIT the
# seconds for all of it, WORKERS how many processes test, and PYTEST_ADDOPTS what pytest understands. What is cut off (by
# SIGTERM, by Ctrl-C, by the time) is a row that says so; the rows before it are written, and a check that was at work says
# how far it had come.
set -u
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

if [ "${1:-}" = pack ]; then
    # every package that the project or its tests need, at this environment's versions, but torch and what comes with it
    "$python" - > "$room/names" << 'PYTHON'
import os, re, tomllib
from importlib.metadata import PackageNotFoundError, distribution


def needed(names, without=()):
    found, waiting = {}, list(names)
    while waiting:
        name, _, condition = waiting.pop().partition(";")
        name = re.match(r"[\w.-]+", name.strip()).group().lower().replace("_", "-")
        if name not in found and name not in without and "extra" not in condition:
            try:
                found[name] = distribution(name).version.partition("+")[0]
            except PackageNotFoundError:  # for another system
                continue
            waiting += distribution(name).requires or []
    return found


project = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]
there = {*needed(["torch", "numpy"]), "tensorboard"}  # what comes with torch, and what no check writes
found = needed([*project, "pytest", "pytest-xdist"], there)
found["torchvision"] = os.environ.get("TORCHVISION", found["torchvision"])
print(*(f"{name}=={version}" for name, version in sorted(found.items())), sep="\n")
PYTHON
    "$python" -m pip install --quiet --no-deps --no-compile --target "$room/packages" --requirement "$room/names" &&
        tar --exclude=tests --exclude=sample_data -C "$room/packages" -c . | xz --threads=0 > packages.tar.xz
    status=$?
    du -h packages.tar.xz
    exit $status
fi

device=${DEVICE:-cuda}
out=$(realpath "${OUT:-.}")
table=$(realpath "${TABLE:-$out/gpu.md}")
logs=$(realpath "${LOGS:-$room}")
mkdir -p "$logs"
all=${LIMIT:-460}
end=$(($(date +%s) + all))
workers=${WORKERS:-8}
child= what= log= tested= began=0
export HANDGRAD_CACHE="$room/cache" CUBLAS_WORKSPACE_CONFIG=:4096:8 PYTHONPATH="$PWD:$room/packages" PYTHONUNBUFFERED=1

row() { # what, result, seconds, what it said
    printf '| %s | %s | %s | %s |\n' "$1" "$2" "$3" "$(printf %s "$4" | tr '\n|' ' /' | cut -c1-1500)" >> "$table"
    sync "$table"
}

so_far() { # of the check at work, from its log
    [ -f "$log" ] || return
    local passed failed
    passed=$(grep -c ' PASSED\|PASSED ' "$log") failed=$(grep -o 'FAILED [^ ]*' "$log" | sort -u | tr '\n' ' ')
    if [ "$passed$failed" = 0 ]; then tail -n 1 "$log"; else echo "$passed passed; ${failed:-none failed}"; fi
}

cut_off() {
    trap '' TERM INT
    [ -n "$child" ] && kill -TERM "$child" 2> "$room/kill"
    [ -n "$what" ] && row "$what" 'cut off' $(($(date +%s) - began)) "$(so_far)"
    rows_of_tests
    rows_of_benchmark
    exit 143
}
trap cut_off TERM INT

run() { # what, seconds, command
    what=$1 began=$(date +%s) log="$logs/$(printf %s "$1" | tr -cs '[:alnum:]\n' -).log"
    local left=$((end - began)) limit=$(($2 * all / 460)) status result
    shift 2
    if [ "$left" -lt 2 ]; then
        row "$what" 'not reached' 0 ''
        what=
        return
    fi
    : > "$log"
    timeout -s INT -k 10 "$((left < limit ? left : limit))" env --default-signal=INT "$@" <&0 > "$log" 2>&1 &
    child=$!
    wait "$child"
    status=$?
    child=
    case $status in
        0) result=passed ;;
        124 | 137) result='out of time' ;;
        *) result=FAILED ;;
    esac
    row "$what" "$result" $(($(date +%s) - began)) "$(said "$status")"
    what=
}

said() { # the end of a log; of tests that failed their names
    case $1 in
        124 | 137) so_far ;;
        0) tail -n 1 "$log" ;;
        *)
            tail -n 1 "$log"
            grep -o '^FAILED .*\|^ERROR .*' "$log" | head -n 20
            ;;
    esac
}

tests() { # seconds
    tested="$logs/all-tests.log" # where run writes
    run 'all tests' "$1" "$python" -m pytest -v --tb=short -p no:cacheprovider -m gpu --device "$device" \
        -n "$workers" --dist load --maxschedchunk 1 tests/gpu
    rows_of_tests
}

rows_of_tests() { # a row for each group of tests, from the log of all
    [ -f "${tested:-}" ] || return
    local name words passed failed skipped result
    while IFS='|' read -r name words; do
        passed=$(grep -cE "PASSED .*($words)" "$tested") skipped=$(grep -cE "SKIPPED .*::.*($words)" "$tested")
        failed=$(grep -oE "FAILED [^ ]*($words)[^ ]*" "$tested" | sort -u | tr '\n' ' ')
        result="$passed passed"
        [ "$passed$skipped" = 00 ] && result='not reached'
        [ "$failed" ] && result=FAILED
        row "· $name" "$result" '' "$skipped skipped${failed:+; $failed}"
    done << 'GROUPS'
compiled|test_compiled|random_layers
every case in float64, outputs and gradients|test_layers.(outputs|gradients)-
no step waits for the GPU|no_step_waits
every model as native, ten steps in float64|as_native
float32 without TF32, bfloat16, float16|test_layers.(float32|bfloat16|float16)-
second derivatives; plain; repeated|test_layers.(second_order|plain|repeated)-
autocast, determinism, streams, graphs|autocast|determin|stream|graph.(lenet|gru|transformer)
optimizers|test_optimizers
checkpoints, resuming, several processes|moves|bit_for_bit|processes
recipes|test_recipes
GROUPS
    tested=
}

benchmark() { # what, seconds, words
    local name=$1 seconds=$2
    shift 2
    json="$room/rows.json"
    run "$name" "$seconds" "$python" scripts/benchmark.py "device=$device" "json=$json" hydra.run.dir="$room/hydra" "$@"
    rows_of_benchmark
}

rows_of_benchmark() { # a row for each that was measured
    [ -f "${json:-}" ] || return
    "$python" - "$json" >> "$table" << 'PYTHON'
import json, sys

for row in json.load(open(sys.argv[1]))["results"]:
    times = f"{row['milliseconds']:.3f} ms, native {row['reference_milliseconds']:.3f} ms"
    memory = f"{row['mebibytes']:.1f} MiB, native {row['reference_mebibytes']:.1f} MiB"
    compiled = row["compiled_ratio"]
    more = f", of compiled native {compiled:.2f}" if compiled == compiled else ""
    more += "".join(f"; {name} {ratio:.2f}" for name, ratio in row["beside_ratio"].items())
    print(f"| · {row['task']} | {row['ratio']:.2f} of native{more} | | {times}; {memory} |")
PYTHON
    rm "$json"
    sync "$table"
}

printf '\n| check | result | seconds | |\n|---|---|---|---|\n' >> "$table"
run packages 60 "$python" - packages.tar.xz "$room/packages" << 'PYTHON'
import re, sys, tarfile
from importlib.metadata import distributions
from pathlib import Path

archive, folder = sys.argv[1], Path(sys.argv[2])


def name(package):  # PyYAML or pyyaml, by its version
    return re.sub(r"[-_.]+", "-", package.name).lower()


there = {name(found) for found in distributions()}  # the machine's own stand
if Path(archive).exists():
    tarfile.open(archive).extractall(folder, filter="data")
lacking = list(distributions(path=[str(folder)]))
for package in lacking:
    if name(package) in there:
        for file in package.files or ():
            Path(file.locate()).unlink(missing_ok=True)
print(f"{sum(name(package) not in there for package in lacking)} unpacked")
PYTHON
run machine 60 "$python" - "$device" << 'PYTHON'
import sys

import torch

device = torch.device(sys.argv[1])
torch.ones(2, device=device).sum().item()
count = torch.cuda.device_count()
name = f"{count} × {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}" if device.type == "cuda" else "CPU"
print(f"torch {torch.__version__}, {name}")
PYTHON

benchmark 'steps of models' 90 what=models batch_sizes=[128] seconds=1 compiled=false
tests 270
benchmark 'times of large layers' 50 what=large seconds=1 compiled=false
benchmark 'times of layers' 50 what=layers seconds=0.5 compiled=false
benchmark 'times of optimizers' 40 what=optimizers seconds=0.5 compiled=false
benchmark 'steps, compiled' 120 what=models models=[lenet,gru,transformer] batch_sizes=[128] seconds=1 beside=[compiled]
