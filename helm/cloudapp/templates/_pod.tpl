{{/* What holds for every pod of ours. (list root) */}}
{{- define "cloudapp.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  # The token of the IAM role is a file that this group may read.
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{/* What holds for every container of ours. (size) */}}
{{- define "cloudapp.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  requests: &size
    cpu: {{ mulf .cpu 1000 | int }}m
    # Fargate adds 256 MiB for Kubernetes' own parts, then rounds up to a size that it has.
    memory: {{ sub (mulf .memoryGiB 1024 | int) 256 }}Mi
  limits: *size
{{- end }}
