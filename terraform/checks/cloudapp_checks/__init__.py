"""Checks of CloudApp's Terraform: policies over a plan, what each role may do, and a real apply on an emulator."""
