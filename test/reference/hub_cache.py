"""Reads and writes a cache of hub models with huggingface_hub itself.

read CACHE REPO: what it finds there without any network, as JSON: the snapshot, each file's SHA-256, warnings of its scan.
write CACHE REPO FILE...: fetches the files from HF_ENDPOINT into the cache; prints the snapshot.
"""
import hashlib
import json
import os
import sys

verb, cache, repo, *files = sys.argv[1:]
os.environ["HF_HUB_OFFLINE"] = "1" if verb == "read" else "0"
os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download, try_to_load_from_cache  # noqa: E402

if verb == "read":
    snapshot = snapshot_download(repo, cache_dir=cache, local_files_only=True)
    hashes = {}
    for name in sorted(os.listdir(snapshot)):
        path = hf_hub_download(repo, name, cache_dir=cache, local_files_only=True)
        assert path == os.path.join(snapshot, name), path
        with open(path, "rb") as file:
            hashes[name] = hashlib.sha256(file.read()).hexdigest()
    scan = scan_cache_dir(cache)
    found = [(each.repo_id, [(rev.commit_hash, sorted(rev.refs)) for rev in each.revisions]) for each in scan.repos]
    absent = try_to_load_from_cache(repo, "generation_config.json", cache_dir=cache)
    print(json.dumps({
        "snapshot": snapshot,
        "hashes": hashes,
        "repos": found,
        "warnings": [str(warning) for warning in scan.warnings],
        "absent": type(absent).__name__ if not isinstance(absent, str) else absent,
    }))
else:
    for name in files:
        path = hf_hub_download(repo, name, cache_dir=cache)
    print(json.dumps({"snapshot": os.path.dirname(path)}))
