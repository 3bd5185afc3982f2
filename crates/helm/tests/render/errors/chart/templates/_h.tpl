{{ define "deep" }}
{{- include "deeper" . }}{{ end }}
{{ define "deeper" }}
  {{ .Values.zz.yy }}{{ end }}
{{ define "needs" }}{{ required "need it: now" .Values.nope }}{{ end }}

