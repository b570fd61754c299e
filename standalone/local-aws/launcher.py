"""Start the local AWS. See `local_aws/__main__.py` for what it does and the environment it reads."""

from local_aws.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
