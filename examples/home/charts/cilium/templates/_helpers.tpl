{{- define "cilium.labels" -}}
app.kubernetes.io/part-of: cilium
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* image: of a dictionary with `image` and the top `context`. */ -}}
{{- define "cilium.image" -}}
{{- printf "%s:%s" .image.repository (default .context.Chart.AppVersion .image.tag) | quote -}}
{{- end -}}

{{- /* A text of the values as a template. */ -}}
{{- define "cilium.text" -}}
{{- tpl (toString .text) .context -}}
{{- end -}}
