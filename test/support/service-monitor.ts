import { readYaml } from './kubernetes.ts'

/** Labels that Prometheus' discovery in Kubernetes sets. */
const SERVICE = '__meta_kubernetes_service_name'
const PORT = '__meta_kubernetes_endpoint_port_name'

interface Relabeling {
  readonly targetLabel: string
  readonly replacement: string
}

export interface MonitoredEndpoint {
  readonly port: string
  readonly path: string
  readonly relabelings?: readonly Relabeling[]
}

interface ServiceMonitor {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> }
    readonly endpoints: readonly MonitoredEndpoint[]
  }
}

/** A port of a Service, as Prometheus discovers it. */
export interface DiscoveredPort {
  readonly service: string
  readonly port: string
  readonly address: string
}

export function serviceMonitor(): ServiceMonitor {
  return readYaml('components/service-monitor/service-monitor.yaml') as ServiceMonitor
}

/** The scrape configurations that the Prometheus operator generates, with given ports instead of those that Kubernetes would report. */
export function scrapeConfigsOf(monitor: ServiceMonitor, discovered: readonly DiscoveredPort[]): object[] {
  const selected = Object.entries(monitor.spec.selector.matchLabels).map(([name, value]) => [metaLabel(name), value])
  const labels = Object.fromEntries(selected)
  return monitor.spec.endpoints.map(({ port, path, relabelings = [] }, i) => ({
    job_name: `serviceMonitor/throttler/${monitor.metadata.name}/${i}`,
    metrics_path: path,
    static_configs: discovered.map(({ service, port, address }) => ({
      targets: [address],
      labels: { ...labels, [SERVICE]: service, [PORT]: port },
    })),
    relabel_configs: [
      ...selected.map(([label, value]) => ({ action: 'keep', source_labels: [label], regex: value })),
      { action: 'keep', source_labels: [PORT], regex: port },
      { source_labels: [SERVICE], target_label: 'service' },
      { source_labels: [SERVICE], target_label: 'job', replacement: `\${1}` },
      { target_label: 'endpoint', replacement: port },
      ...relabelings.map(({ targetLabel, replacement }) => ({ target_label: targetLabel, replacement })),
    ],
  }))
}

function metaLabel(name: string): string {
  return `__meta_kubernetes_service_label_${name.replace(/\W/g, '_')}`
}
