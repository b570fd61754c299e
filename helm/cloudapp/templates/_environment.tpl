{{/* The environment of each part: what its binary reads, and nothing else. A check compares the two. */}}

{{- define "cloudapp.environment.logs" -}}
- { name: CLOUDAPP_LOG_FORMAT, value: {{ .Values.logFormat | quote }} }
{{- with .Values.logFilter }}
- { name: RUST_LOG, value: {{ . | quote }} }
{{- end }}
{{- with include "cloudapp.traces" . }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- end }}

{{/* Where traces go: where the operator says, else to our own collector, if it runs. */}}
{{- define "cloudapp.traces" -}}
{{- if .Values.telemetry.otlpEndpoint -}}
{{ .Values.telemetry.otlpEndpoint }}
{{- else if .Values.collector.enabled -}}
http://collector:{{ include "cloudapp.collector.port" . }}
{{- end -}}
{{- end }}

{{- define "cloudapp.environment.service" -}}
- { name: CLOUDAPP_LISTEN, value: "0.0.0.0:{{ include "cloudapp.port" . }}" }
{{ include "cloudapp.environment.logs" . }}
- { name: CLOUDAPP_ISSUER, value: {{ .Values.token.issuer | quote }} }
- { name: CLOUDAPP_JWKS_URL, value: {{ .Values.token.jwksUrl | quote }} }
- { name: CLOUDAPP_CLIENT_ID, value: {{ .Values.token.clientId | quote }} }
- { name: AWS_REGION, value: {{ .Values.aws.region | quote }} }
{{- end }}

{{/* (list root role connections) */}}
{{- define "cloudapp.environment.database" -}}
{{- $database := (index . 0).Values.database -}}
- { name: DATABASE_URL, value: "postgres://{{ index . 1 }}@{{ $database.host }}:{{ $database.port }}/{{ $database.name }}" }
- { name: CLOUDAPP_DATABASE_AUTH, value: iam }
- { name: CLOUDAPP_DATABASE_CONNECTIONS, value: {{ index . 2 | quote }} }
{{- end }}

{{- define "cloudapp.environment.configure-instance" -}}
{{ include "cloudapp.environment.service" . }}
{{ include "cloudapp.environment.database" (list . "configure" .Values.configureInstance.databaseConnections) }}
{{- end }}

{{- define "cloudapp.environment.provision-instance" -}}
{{ include "cloudapp.environment.service" . }}
{{- with .Values.provisionInstance }}
{{ include "cloudapp.environment.database" (list $ "provision" .databaseConnections) }}
- { name: CLOUDAPP_INSTALLATION, value: {{ .installation | quote }} }
- { name: CLOUDAPP_AWS_ACCOUNT_ID, value: {{ $.Values.aws.accountId | quote }} }
- { name: CLOUDAPP_LOGIN_QUEUE_URL, value: {{ .loginQueueUrl | quote }} }
- { name: CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL, value: {{ .instanceEventsQueueUrl | quote }} }
- { name: CLOUDAPP_ADMIN_TOPIC_ARN, value: {{ .adminTopicArn | quote }} }
- { name: CLOUDAPP_EVENTS_BUCKET, value: {{ .eventsBucket | quote }} }
- { name: CLOUDAPP_SSH_CA_KEY_ID, value: {{ .sshCaKeyId | quote }} }
- { name: CLOUDAPP_BOOT_REPORT_URL, value: {{ .bootReportUrl | quote }} }
- { name: CLOUDAPP_WEB_URL, value: {{ .webUrl | quote }} }
- { name: CLOUDAPP_SUBNETS, value: {{ join "," .subnets | quote }} }
- { name: CLOUDAPP_SECURITY_GROUPS, value: {{ join "," .securityGroups | quote }} }
- { name: CLOUDAPP_INSTANCES_PER_USER, value: {{ .instancesPerUser | quote }} }
- { name: CLOUDAPP_EC2_RATE_FACTOR, value: {{ .ec2RateFactor | quote }} }
- { name: CLOUDAPP_IN_USE_LOAD_PERCENT, value: {{ .inUse.loadPercent | int64 | quote }} }
- { name: CLOUDAPP_IN_USE_BYTES_PER_SECOND, value: {{ .inUse.bytesPerSecond | int64 | quote }} }
- { name: CLOUDAPP_EXPORT_INTERVAL_SECONDS, value: {{ .exportIntervalSeconds | quote }} }
{{- end }}
{{- end }}

{{- define "cloudapp.environment.view-stats" -}}
{{ include "cloudapp.environment.service" . }}
{{- with .Values.viewStats }}
- { name: CLOUDAPP_ATHENA_WORKGROUP, value: {{ .athenaWorkgroup | quote }} }
- { name: CLOUDAPP_ATHENA_DATABASE, value: {{ .athenaDatabase | quote }} }
- { name: CLOUDAPP_ATHENA_TABLE, value: {{ .athenaTable | quote }} }
{{- end }}
{{- end }}

{{- define "cloudapp.environment.migrate" -}}
{{ include "cloudapp.environment.logs" . }}
- { name: AWS_REGION, value: {{ .Values.aws.region | quote }} }
{{- with .Values.database }}
- { name: DATABASE_URL, value: "postgres://{{ .host }}:{{ .port }}/{{ .name }}" }
- { name: CLOUDAPP_DATABASE_ADMIN_SECRET, value: {{ .adminSecretArn | quote }} }
- { name: CLOUDAPP_DATABASE_ROLES, value: iam }
{{- end }}
{{- end }}
