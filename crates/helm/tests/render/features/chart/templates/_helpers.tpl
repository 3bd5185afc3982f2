{{- define "app.labels" -}}
app: {{ .Chart.Name }}
release: {{ .Release.Name | quote }}
{{- end }}
{{- define "app.shared" }}from the parent{{ end }}
