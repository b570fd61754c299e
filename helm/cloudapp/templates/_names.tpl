{{/* The services: their name, their key in the values, and the paths that the load balancer sends them. A check compares
     the paths with each service's openapi.json. */}}
{{- define "cloudapp.services" -}}
- name: configure-instance
  key: configureInstance
  paths: [/api/configurations]
- name: view-stats
  key: viewStats
  paths: [/api/stats]
- name: provision-instance
  key: provisionInstance
  paths:
    - /api/boot-reports
    - /api/executions
    - /api/fleet
    - /api/idle-reports
    - /api/instances
    - /api/limits
    - /api/pools
    - /api/revocations
{{- end }}

{{/* The port on which every container listens. */}}
{{- define "cloudapp.port" -}}8080{{- end }}

{{/* Labels that select a part's pods; they can never change. (list root name) */}}
{{- define "cloudapp.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* All labels of a part. (list root name) */}}
{{- define "cloudapp.labels" -}}
{{- $root := index . 0 -}}
{{ include "cloudapp.selector" . }}
app.kubernetes.io/part-of: cloudapp
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* Labels of a part's pods. (list root name) */}}
{{- define "cloudapp.podLabels" -}}
{{ include "cloudapp.selector" . }}
app.kubernetes.io/part-of: cloudapp
{{- end }}

{{/* An image: by its digest if it is known, else by its tag. (list root name) */}}
{{- define "cloudapp.image" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $images := $root.Values.images -}}
{{- with index $images.digests $name -}}
{{ $images.registry }}/{{ $name }}@{{ . }}
{{- else -}}
{{ $images.registry }}/{{ $name }}:{{ $images.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* What is asked of the cluster as a whole. Every manifest includes it by way of the deployments. */}}
{{- define "cloudapp.check" -}}
{{- if ne .Release.Namespace .Values.namespace -}}
{{- fail (printf "install CloudApp into the namespace %q (helm --namespace %s): the Fargate profile selects it and the roles trust its service accounts; this is %q" .Values.namespace .Values.namespace .Release.Namespace) -}}
{{- end -}}
{{- if lt (int .Values.shutdown.gracePeriodSeconds) (add (int .Values.shutdown.preStopSeconds) 30) -}}
{{- fail "shutdown.gracePeriodSeconds must be at least 30 more than shutdown.preStopSeconds: a pod needs that long to hand over its work" -}}
{{- end -}}
{{- if and .Values.collector.enabled (not .Values.serviceAccounts.telemetry) -}}
{{- fail "serviceAccounts.telemetry.roleArn is required: the collector sends as that role; collector.enabled: false runs none" -}}
{{- end -}}
{{- range tuple "configureInstance" "provisionInstance" "viewStats" -}}
{{- $replicas := (index $.Values .).replicas -}}
{{- if lt (int $replicas.max) (int $replicas.min) -}}
{{- fail (printf "%s.replicas.max must not be below %s.replicas.min" . .) -}}
{{- end -}}
{{- end -}}
{{- end }}
