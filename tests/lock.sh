#!/usr/bin/env bash
# Makes both lock files anew from the requirements, for Python 3.11 and what it shares with 3.12:
#     pip install pip-tools && bash tests/lock.sh
# torch stays out: its build for processors and those for cards are files of their own, with hashes of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
export CUSTOM_COMPILE_COMMAND="bash tests/lock.sh"
lock() {
    pip-compile --quiet --generate-hashes --strip-extras --unsafe-package torch \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}
lock -o tests/requirements.lock requirements.txt tests/requirements.txt
lock -c tests/requirements.lock -o requirements.lock requirements.txt
