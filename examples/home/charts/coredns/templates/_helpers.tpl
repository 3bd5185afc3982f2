{{- define "coredns.selector" -}}
k8s-app: kube-dns
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "coredns.corefile" -}}
{{- range .Values.zones }}
{{ .name }}:53 {
  {{- range .plugins }}
  {{- if hasPrefix "kubernetes " . }}
  {{ . }} {
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }
  {{- else }}
  {{ . }}
  {{- end }}
  {{- end }}
}
{{- end }}
{{- end -}}
