#!/bin/sh
# Puts the database's URL, which has a password, into the environment of one program, and starts a node of Ray
# without processors where the drivers of jobs are to join a cluster: a driver needs a node beside it.
set -eu

if [ -n "${NAS_STORAGE_FILE:-}" ]; then
    NAS_STORAGE="$(cat "$NAS_STORAGE_FILE")"
    export NAS_STORAGE
fi
if [ -n "${NAS_RAY_HEAD:-}" ]; then
    env -u NAS_STORAGE ray start --address "$NAS_RAY_HEAD" --num-cpus 0 >&2
fi
exec "$@"
