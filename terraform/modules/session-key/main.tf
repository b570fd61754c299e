# What web's sessions are sealed with. Made by Secrets Manager, written once, never in the state (ephemeral and
# write-only); `deploy/rotate-session-key` puts a new key in front, so that nobody is signed out.

ephemeral "aws_secretsmanager_random_password" "this" {
  password_length     = 64
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  name                    = "${var.context.name}/web/session-key"
  description             = "Keys that seal web's sessions: base64 of 64 bytes each, separated by commas, the first one seals"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = base64encode(ephemeral.aws_secretsmanager_random_password.this.random_password)
  secret_string_wo_version = var.key_version
}
