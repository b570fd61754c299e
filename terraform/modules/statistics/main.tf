# The event log as a table, and the workgroup that bounds what a question may cost. Partitions are projected: nothing
# crawls, nothing must be added day by day.

locals {
  location = "s3://${var.events_bucket}/${var.table}/"
  parquet  = "org.apache.hadoop.hive.ql.io.parquet"

  # As provision-instance writes them (services/provision-instance/src/outbox) and view-stats asks for them.
  columns = [
    ["event_id", "string"], ["kind", "string"], ["at", "timestamp"], ["instance_id", "string"],
    ["execution_id", "string"], ["owner", "string"], ["configuration_id", "string"],
    ["configuration_name", "string"], ["configuration_version", "int"], ["instance_type", "string"],
    ["zone", "string"], ["market", "string"], ["state", "string"], ["outcome", "string"], ["reason", "string"],
    ["actor", "string"], ["price_micros_per_hour", "bigint"], ["launch_ms", "bigint"], ["boot_ms", "bigint"],
    ["ready_ms", "bigint"], ["running_seconds", "bigint"],
  ]
}

resource "aws_glue_catalog_database" "this" {
  name        = var.database
  description = "CloudApp's event log"
}

resource "aws_glue_catalog_table" "this" {
  name          = var.table
  database_name = aws_glue_catalog_database.this.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                    = "TRUE"
    classification              = "parquet"
    "projection.enabled"        = "true"
    "projection.tier.type"      = "enum"
    "projection.tier.values"    = "live,daily"
    "projection.dt.type"        = "date"
    "projection.dt.format"      = "yyyy-MM-dd"
    "projection.dt.range"       = "2024-01-01,NOW+1DAY"
    "storage.location.template" = "${local.location}tier=$${tier}/dt=$${dt}/"
  }

  partition_keys {
    name = "tier"
    type = "string"
  }

  partition_keys {
    name = "dt"
    type = "date"
  }

  storage_descriptor {
    location      = local.location
    input_format  = "${local.parquet}.MapredParquetInputFormat"
    output_format = "${local.parquet}.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "${local.parquet}.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = local.columns
      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}

resource "aws_athena_workgroup" "this" {
  name          = var.context.name
  description   = "CloudApp's statistics"
  force_destroy = true # queries' history only; results lie in the bucket

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.bytes_scanned_cutoff

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${var.results_bucket}/"
      expected_bucket_owner = var.context.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.key_arn
      }
    }
  }
}
