# One key per kind of data, so that the right to read one kind gives no right to read another. A key policy's Resource
# "*" means the key that it is attached to.

locals {
  root = "arn:${var.context.partition}:iam::${var.context.account_id}:root"

  administration = {
    Sid       = "IamDecidesWithinTheAccount"
    Effect    = "Allow"
    Principal = { AWS = local.root }
    Action    = "kms:*"
    Resource  = "*"
  }

  # AWS services that encrypt on behalf of this account's own resources, and of no other account's.
  by_services = { for key, services in {
    data = ["events.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com", "budgets.amazonaws.com"]
    } : key => {
    Sid       = "ServicesForThisAccount"
    Effect    = "Allow"
    Principal = { Service = services }
    Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
  } }

  by_logs = {
    Sid       = "CloudWatchLogsForThisAccount"
    Effect    = "Allow"
    Principal = { Service = "logs.${var.context.region}.amazonaws.com" }
    Action    = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    Resource  = "*"
    Condition = {
      ArnLike = {
        "kms:EncryptionContext:aws:logs:arn" = "arn:${var.context.partition}:logs:${var.context.region}:${var.context.account_id}:log-group:*"
      }
    }
  }

  by_trail = [
    {
      Sid       = "TrailOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "kms:GenerateDataKey*"
      Resource  = "*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.context.account_id }
        StringLike   = { "kms:EncryptionContext:aws:cloudtrail:arn" = "arn:${var.context.partition}:cloudtrail:*:${var.context.account_id}:trail/*" }
      }
    },
    {
      # Describing encrypts nothing, so it has no encryption context.
      Sid       = "TrailLooksAtTheKey"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "kms:DescribeKey"
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
    },
  ]

  # Whoever signs, makes login certificates: one role, and no administrator beside it.
  only_the_signer = {
    Sid       = "NobodyElseSigns"
    Effect    = "Deny"
    Principal = { AWS = "*" }
    Action    = "kms:Sign"
    Resource  = "*"
    Condition = { ArnNotEquals = { "aws:PrincipalArn" = var.ssh_ca_signer_role_arn } }
  }

  statements = {
    data     = [local.administration, local.by_services.data]
    database = [local.administration]
    cluster  = [local.administration]
    logs     = concat([local.administration, local.by_logs], local.by_trail)
  }
}

resource "aws_kms_key" "this" {
  for_each = local.statements

  description             = "CloudApp: ${each.key}"
  deletion_window_in_days = var.deletion_window_days
  enable_key_rotation     = true
  policy                  = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_kms_alias" "this" {
  for_each = local.statements

  name          = "alias/${var.context.name}-${each.key}"
  target_key_id = aws_kms_key.this[each.key].key_id
}

# The SSH certificate authority. It never leaves KMS. KMS rotates no asymmetric key: a new authority is a new key.
resource "aws_kms_key" "ssh_ca" {
  description              = "CloudApp: the SSH certificate authority that machines trust"
  key_usage                = "SIGN_VERIFY"
  customer_master_key_spec = "ECC_NIST_P256"
  deletion_window_in_days  = var.deletion_window_days
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.administration, local.only_the_signer]
  })
}

resource "aws_kms_alias" "ssh_ca" {
  name          = "alias/${var.context.name}-ssh-ca"
  target_key_id = aws_kms_key.ssh_ca.key_id
}
