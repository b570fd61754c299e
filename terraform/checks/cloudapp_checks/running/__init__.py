"""CloudApp itself, run on what Terraform created: while an example stands in the emulator."""
