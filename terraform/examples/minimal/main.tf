# CloudApp to try out on a real account: everything is there, once, and goes when told to. One NAT gateway, one
# database instance, one web task: a zone's failure is an outage.

terraform {
  required_version = "~> 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # The state holds no password (RDS keeps the database's, the session key is write-only), but all there is to know of
  # the installation: keep the bucket as closed as the account. Made once, see terraform/README.md, and named by
  #   terraform init -backend-config=bucket=… -backend-config=region=…
  backend "s3" {
    key          = "cloudapp/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

locals {
  tags = { Application = "cloudapp", Environment = "trial", ManagedBy = "terraform" }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

provider "aws" {
  alias  = "us_east_1"
  region = "us-east-1"

  default_tags {
    tags = local.tags
  }
}

module "cloudapp" {
  source = "../.."

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }

  domain                   = var.domain
  zone_id                  = var.zone_id
  protected                = var.protected
  services_balancer_exists = var.services_balancer_exists

  network = {
    zones = var.zones
    nat   = "single"
  }

  database = {
    capacity              = { min = 0.5, max = 4 }
    instances             = 1
    backup_retention_days = 7
  }

  cluster = {
    api_cidrs            = var.api_cidrs
    admin_principal_arns = var.cluster_admins
  }

  machines = {
    access         = "public"
    ssh_cidrs      = var.ssh_cidrs
    instance_types = ["t3.*"]
    image_owners   = ["amazon", "099720109477"] # Canonical
  }

  web = {
    image_tag = var.image_tag
    tasks     = { min = 1, max = 2 }
  }

  lambda_packages    = { for name in ["auth", "login-poller", "stop-ec2"] : name => "${var.lambda_folder}/${name}.zip" }
  admin_mail         = var.admin_mail
  monthly_usd        = var.monthly_usd
  log_retention_days = 30
  runbook_base_url   = var.runbook_base_url
  alarms             = jsondecode(file(var.alarms_file))
}
