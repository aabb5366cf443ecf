"""Drives a search with the generated client, in the generator's environment; prints what it saw as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

from generated import AuthenticatedClient
from generated.api.exports import download_file, get_export, submit_export
from generated.api.jobs import get_job, submit_job
from generated.api.selection import select_trial
from generated.api.studies import list_studies
from generated.models import ExportSubmission, JobSubmission, SelectionRequest

PATIENCE_S = 600.0


def over(ask):
    """What a job or an export ended as."""
    give_up = time.monotonic() + PATIENCE_S
    while (found := ask()).status in ("queued", "running"):
        assert time.monotonic() < give_up, found
        time.sleep(0.5)
    return found


def main(url: str, search: str) -> dict:
    client = AuthenticatedClient(base_url=url, token=os.environ["NAS_TOKEN"], raise_on_unexpected_status=True)
    studies = [study.name for study in list_studies.sync(client=client).studies]
    body = JobSubmission.from_dict({"config": json.loads(search)})
    job = submit_job.sync(client=client, body=body, idempotency_key="generated")
    job = over(lambda: get_job.sync(job.id, client=client))
    best = select_trial.sync(job.study, client=client, body=SelectionRequest())
    refusal = select_trial.sync(
        job.study, client=client, body=SelectionRequest(where=["num_parameters <= 10"])
    )
    wanted = ExportSubmission.from_dict({"study": job.study, "trial": best.number, "formats": ["hf"]})
    export = submit_export.sync(client=client, body=wanted)
    export = over(lambda: get_export.sync(export.id, client=client))
    weights = next(file for file in export.files if file.name == "model.safetensors")
    content = download_file.sync_detailed(export.id, weights.name, client=client).content
    return {
        "studies": studies,
        "job": job.to_dict(),
        "best": best.to_dict(),
        "refusal": refusal.to_dict(),
        "weights": weights.to_dict() | {"downloaded_sha256": hashlib.sha256(content).hexdigest()},
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
