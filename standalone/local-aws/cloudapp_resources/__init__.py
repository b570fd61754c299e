"""Every AWS resource of CloudApp, one module per kind, each made or brought up to date idempotently.

The names are those of `terraform/`; this package is only for the local AWS. A function named `ensure_*` looks first,
makes what is missing, changes what differs, and reports each change to the `Session`, so a second run changes nothing.
"""
