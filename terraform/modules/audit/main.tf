# Who did what in the account: every region, signed, kept where nobody rewrites it. And the bucket that load balancers
# write their access logs to.

locals {
  trail         = var.context.name
  trail_arn     = "arn:${var.context.partition}:cloudtrail:${var.context.region}:${var.context.account_id}:trail/${local.trail}"
  trail_bucket  = "${var.context.name}-trail-${var.context.account_id}"
  access_bucket = "${var.context.name}-access-logs-${var.context.account_id}"
}

module "trail_bucket" {
  source = "../bucket"

  context       = var.context
  bucket        = local.trail_bucket
  key_arn       = var.key_arn
  expire_days   = var.keep_days
  force_destroy = var.force_destroy
  statements = [
    {
      Sid       = "TrailLooks"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = "arn:${var.context.partition}:s3:::${local.trail_bucket}"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
    {
      Sid       = "TrailWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:${var.context.partition}:s3:::${local.trail_bucket}/AWSLogs/${var.context.account_id}/*"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
    },
  ]
}

# Load balancers write with S3's own keys only. AWS documents no condition for this service; the folder is the account's.
module "access_bucket" {
  source = "../bucket"

  context       = var.context
  bucket        = local.access_bucket
  key_arn       = null
  expire_days   = 90
  force_destroy = var.force_destroy
  statements = [{
    Sid       = "LoadBalancersWrite"
    Effect    = "Allow"
    Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
    Action    = "s3:PutObject"
    Resource  = [for prefix in var.access_log_prefixes : "arn:${var.context.partition}:s3:::${local.access_bucket}/${prefix}/AWSLogs/${var.context.account_id}/*"]
  }]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.context.name}/trail"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_iam_role" "this" {
  name                 = "${var.context.name}-trail"
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "write"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:${var.context.partition}:logs:${var.context.region}:${var.context.account_id}:log-group:/${var.context.name}/trail:log-stream:*"
    }]
  })
}

resource "aws_cloudtrail" "this" {
  name                          = local.trail
  s3_bucket_name                = module.trail_bucket.name
  kms_key_id                    = var.key_arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
  cloud_watch_logs_group_arn    = "${aws_cloudwatch_log_group.this.arn}:*"
  cloud_watch_logs_role_arn     = aws_iam_role.this.arn

  depends_on = [aws_iam_role_policy.this]
}
