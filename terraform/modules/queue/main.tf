# A queue and its dead-letter queue, both encrypted, both closed to plain HTTP.

locals {
  arn     = "arn:${var.context.partition}:sqs:${var.context.region}:${var.context.account_id}:${var.queue}"
  dlq_arn = "${local.arn}-dlq"

  tls_only = { for arn in [local.arn, local.dlq_arn] : arn => {
    Sid       = "TlsOnly"
    Effect    = "Deny"
    Principal = "*"
    Action    = "sqs:*"
    Resource  = arn
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  } }

  senders = [for sid, source in var.senders : {
    Sid       = sid
    Effect    = "Allow"
    Principal = { Service = source.service }
    Action    = "sqs:SendMessage"
    Resource  = local.arn
    Condition = { ArnEquals = { "aws:SourceArn" = source.source_arn } }
  }]
}

resource "aws_sqs_queue" "dead" {
  name                              = "${var.queue}-dlq"
  message_retention_seconds         = var.retention_seconds
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
}

resource "aws_sqs_queue" "this" {
  name                              = var.queue
  visibility_timeout_seconds        = var.visibility_timeout_seconds
  message_retention_seconds         = var.retention_seconds
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.key_arn
  kms_data_key_reuse_period_seconds = 300
  redrive_policy                    = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = var.max_receive_count })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.this.arn] })
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = concat([local.tls_only[local.arn]], local.senders) })
}

resource "aws_sqs_queue_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  policy    = jsonencode({ Version = "2012-10-17", Statement = [local.tls_only[local.dlq_arn]] })
}
