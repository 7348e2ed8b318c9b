"""`dagster dev` with the guard in front of its web server: `python -m crypto_features.host.guarded_dev OPTIONS`."""

from crypto_features.host.dagster_private import run_dev

if __name__ == "__main__":
    run_dev("crypto_features.host.web_guard")
