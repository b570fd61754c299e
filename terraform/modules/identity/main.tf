# The user pool: who may sign in. Web's settings and the trigger Lambda rely on everything here: short tokens, TOTP,
# groups, the e-mail address as the name, no remembered devices.

resource "aws_cognito_user_pool" "this" {
  name                     = var.context.name
  user_pool_tier           = "ESSENTIALS" # the version 2 of the pre-token trigger needs it
  username_attributes      = ["email"]
  auto_verified_attributes = ["email"]
  deletion_protection      = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  mfa_configuration        = "OPTIONAL" # admins must: the trigger withholds their group without it

  username_configuration {
    case_sensitive = false
  }

  software_token_mfa_configuration {
    enabled = true
  }

  password_policy {
    minimum_length                   = 12
    require_uppercase                = true
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = false
    temporary_password_validity_days = 7
  }

  admin_create_user_config {
    allow_admin_create_user_only = true

    invite_message_template {
      email_subject = "Your CloudApp account"
      email_message = "Sign in at ${var.web_url} as {username} with the temporary password {####}"
      sms_message   = "Sign in at ${var.web_url} as {username} with the temporary password {####}"
    }
  }

  account_recovery_setting {
    recovery_mechanism {
      name     = "verified_email"
      priority = 1
    }
  }

  user_attribute_update_settings {
    attributes_require_verification_before_update = ["email"]
  }

  lambda_config {
    post_authentication = var.trigger_function_arn

    pre_token_generation_config {
      lambda_arn     = var.trigger_function_arn
      lambda_version = "V2_0"
    }
  }
}

# A public client: web runs PKCE and keeps sessions sealed, and a secret in a browser-facing flow protects nothing.
resource "aws_cognito_user_pool_client" "web" {
  name         = var.context.name
  user_pool_id = aws_cognito_user_pool.this.id

  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true
  access_token_validity         = 5
  id_token_validity             = 5
  refresh_token_validity        = 12

  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "hours"
  }

  # Nobody changes what makes them who they are.
  read_attributes  = ["email", "email_verified"]
  write_attributes = ["email"]

  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["aws.cognito.signin.user.admin", "email", "openid"]
  callback_urls                        = ["${var.web_url}/sign-in/callback"]
  logout_urls                          = [var.web_url]
  supported_identity_providers         = ["COGNITO"]
}

resource "aws_cognito_user_pool_domain" "this" {
  domain       = "${var.context.name}-${var.context.account_id}"
  user_pool_id = aws_cognito_user_pool.this.id
}

resource "aws_cognito_user_group" "this" {
  for_each = { admin = "Administrators", user = "Users" }

  name         = each.key
  description  = each.value
  user_pool_id = aws_cognito_user_pool.this.id
}
