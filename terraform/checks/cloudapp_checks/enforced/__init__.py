"""The second judge of the roles: MiniStack with `AUTH=true`, which enforces IAM on real calls.

Every role is made there with its policies as Terraform made them, assumed through STS, and does what the tables in
`roles/` say of it: what its part needs goes through, what it must not do is refused. The evaluator is asked the same, and
the two must agree. What MiniStack cannot judge is listed in `blind.py`, each with its reason, and looked at in every run:
a request that is neither asked nor listed is a fault, and so is an entry that is no longer true.
"""
