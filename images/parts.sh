# shellcheck shell=bash disable=SC2034  # read by those who source it
# What is built, by name: the crate, and the program, are cloudapp-NAME.
IMAGES=(web configure-instance provision-instance view-stats operate)
LAMBDAS=(auth login-poller stop-ec2)
