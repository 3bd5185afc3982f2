{{- define "plain" -}}plain{{- end -}}
{{- define "dot" -}}[{{ . }}]{{- end -}}
{{- define "field" -}}{{ .Values.s | quote }} {{ .Release.Name }}{{- end -}}
{{- define "lines" -}}
a: 1
b:
  - {{ . | toJson }}
{{ end -}}
{{- define "bad" -}}{{ .Values.s.x }}{{- end -}}
{{- define "fails" -}}{{ fail "stop: it" }}{{- end -}}
{{- define "empty" -}}{{- end -}}
{{- define "recursive" -}}{{ if gt (int .) 0 }}{{ . }},{{ include "recursive" (sub (int .) 1) }}{{ end }}{{- end -}}
