{{/* The name of the release, used for every object. */}}
{{- define "etpguard.name" -}}
{{- $name := .Values.nameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z][-a-z0-9]*$" $name) -}}
{{- fail (printf "%s cannot be the name of a Service, which starts with a letter and has no dot. Set nameOverride" $name) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "etpguard.account" -}}
{{- .Values.serviceAccount.name | default (include "etpguard.name" .) -}}
{{- end -}}

{{- define "etpguard.selector" -}}
app.kubernetes.io/name: etpguard
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "etpguard.labels" -}}
{{- include "etpguard.labelsWith" (dict "root" .) -}}
{{- end -}}

{{/* The labels of an object: those of the release, then `labels`, then commonLabels. The first one of a name counts. */}}
{{- define "etpguard.labelsWith" -}}
{{- $own := dict "app.kubernetes.io/name" "etpguard" "app.kubernetes.io/instance" .root.Release.Name "app.kubernetes.io/version" .root.Chart.AppVersion -}}
{{- toYaml (merge $own (.labels | default dict) (.root.Values.commonLabels | default dict)) -}}
{{- end -}}

{{/* Not empty if the operator writes anything. It then needs the Lease. */}}
{{- define "etpguard.writes" -}}
{{- if or .Values.publish.conditions .Values.publish.reports .Values.publish.events .Values.remediation.enabled -}}
yes
{{- end -}}
{{- end -}}

{{/* The API groups of the providers that are switched off, separated by commas. */}}
{{- define "etpguard.skippedGroups" -}}
{{- $groups := dict "aws" (list "elbv2.k8s.aws" "gateway.k8s.aws") "gatewayAPI" (list "gateway.networking.k8s.io") "gke" (list "cloud.google.com") "metallb" (list "metallb.io") "calico" (list "crd.projectcalico.org") "cilium" (list "cilium.io") "traefik" (list "traefik.io") "k3s" list -}}
{{- $off := list -}}
{{- range $name, $on := .Values.providers -}}
{{- if not $on -}}
{{- $off = concat $off (get $groups $name) -}}
{{- end -}}
{{- end -}}
{{- $off | sortAlpha | join "," -}}
{{- end -}}

{{- define "etpguard.image" -}}
{{- $_ := required "image.repository is required: there is no published image. Build one, push it, and set --set image.repository=REGISTRY/etpguard" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "etpguard.switch" -}}
{{- ternary "on" "off" . | quote -}}
{{- end -}}

{{/* A runbook with the names of this release in place of those of the kustomize base. */}}
{{- define "etpguard.page" -}}
{{- $name := include "etpguard.name" .root -}}
{{- $space := .root.Release.Namespace -}}
{{- $account := printf "system:serviceaccount:%s:%s" $space (include "etpguard.account" .root) -}}
{{- $text := .text | replace "system:serviceaccount:etpguard-system:etpguard" $account -}}
{{- $text = $text | replace "-n etpguard-system" (printf "-n %s" $space) -}}
{{- $text = $text | replace "deployment/etpguard" (printf "deployment/%s" $name) -}}
{{- range $role := list "observe" "leader" -}}
{{- $text = $text | replace (printf "`etpguard-%s`" $role) (printf "`%s-%s`" $name $role) -}}
{{- end -}}
{{- $text -}}
{{- end -}}
