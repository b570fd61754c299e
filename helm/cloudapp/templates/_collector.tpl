{{/* The ports of the collector's Service. Its container takes traces on the port that all containers listen on, the one
     that the security groups let the load balancer reach. */}}
{{- define "cloudapp.collector.port" -}}4318{{- end }}
{{- define "cloudapp.collector.health" -}}13133{{- end }}

{{/* The namespace in CloudWatch, the only one that the role may write to. */}}
{{- define "cloudapp.collector.namespace" -}}CloudApp{{- end }}

{{/* What of the services' metrics goes to CloudWatch: what the alarms for Prometheus look at, told apart by `service` and
     by these labels. Each combination of them is a metric that costs. A check compares with observability/alarms.json. */}}
{{- define "cloudapp.collector.metrics" -}}
- labels: []
  plain:
    - cloudapp_ec2_throttled_total
    - cloudapp_events_refused_total
    - cloudapp_executions_stuck
    - cloudapp_limit_refusals_total
    - cloudapp_orphans
    - cloudapp_placement_queue_age_seconds
  histograms: [cloudapp_athena_scanned_bytes]
- labels: [dependency]
  plain: [cloudapp_dependency_up]
- labels: [kind, outcome]
  plain: [cloudapp_executions_total]
  histograms: [cloudapp_execution_seconds]
- labels: [status]
  histograms: [cloudapp_http_request_seconds]
- labels: [topic]
  plain: [cloudapp_outbox_lag_seconds]
{{- end }}

{{/* The collector's settings. Whatever it cannot send in time it drops, and it holds no more than its memory allows. */}}
{{- define "cloudapp.collector.config" -}}
{{- $groups := include "cloudapp.collector.metrics" . | fromYamlArray -}}
{{- $series := list -}}
{{- range $groups -}}
{{- range .plain -}}{{- $series = append $series . -}}{{- end -}}
{{- range .histograms -}}{{- $series = append $series (printf "%s_(?:bucket|sum|count)" .) -}}{{- end -}}
{{- end -}}
{{- $memory := include "cloudapp.collector.memoryMiB" . | int -}}
extensions:
  health_check:
    endpoint: 0.0.0.0:{{ include "cloudapp.collector.health" . }}
receivers:
  otlp:
    protocols:
      http:
        endpoint: 0.0.0.0:{{ include "cloudapp.port" . }}
  prometheus:
    config:
      scrape_configs:
        - job_name: cloudapp
          scrape_interval: {{ .Values.collector.intervalSeconds }}s
          scrape_timeout: 10s
          metrics_path: /metrics
          dns_sd_configs:
            - names:
                {{- range include "cloudapp.services" . | fromYamlArray }}
                - {{ .name }}-pods
                {{- end }}
              type: A
              port: {{ include "cloudapp.port" . }}
          relabel_configs:
            - source_labels: [__meta_dns_name]
              regex: (.+)-pods
              target_label: service
            # So that one replica's counters are not taken for another's.
            - source_labels: [__address__]
              target_label: pod
          metric_relabel_configs:
            - source_labels: [__name__]
              regex: {{ join "|" $series }}
              action: keep
            # As on the dashboards: what asks all the time, and what never ends.
            - source_labels: [route]
              regex: /healthz|/readyz|/metrics|.*/events
              action: drop
processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: {{ div (mul $memory 80) 100 }}
    spike_limit_mib: {{ div (mul $memory 20) 100 }}
  # CloudWatch adds up what it is sent; Prometheus' counters and histograms are sums already.
  cumulativetodelta:
    max_staleness: 1h
  batch:
    timeout: 5s
    send_batch_size: 500
    send_batch_max_size: 1000
exporters:
  awsxray:
    region: {{ .Values.aws.region }}
    request_timeout_seconds: 10
    max_retries: 2
    # By these X-Ray finds traces.
    indexed_attributes: [execution_id, instance_id, batch_id]
  awsemf:
    region: {{ .Values.aws.region }}
    request_timeout_seconds: 10
    max_retries: 2
    namespace: {{ include "cloudapp.collector.namespace" . }}
    # Terraform's, with its retention and its key.
    log_group_name: {{ .Values.collector.logGroupName }}
    log_stream_name: collector
    dimension_rollup_option: NoDimensionRollup
    metric_declarations:
      {{- range $groups }}
      - dimensions: [[{{ join ", " (prepend .labels "service") }}]]
        metric_name_selectors:
          {{- range concat (.plain | default list) (.histograms | default list) }}
          - ^{{ . }}$
          {{- end }}
      {{- end }}
service:
  extensions: [health_check]
  telemetry:
    logs:
      encoding: json
    metrics:
      level: none
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [awsxray]
    metrics:
      receivers: [prometheus]
      processors: [memory_limiter, cumulativetodelta, batch]
      exporters: [awsemf]
{{- end }}

{{/* What the container may use; see cloudapp.container. */}}
{{- define "cloudapp.collector.memoryMiB" -}}
{{- sub (mulf .Values.collector.size.memoryGiB 1024 | int) 256 -}}
{{- end }}
