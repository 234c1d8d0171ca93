import type { MetricValue } from 'prom-client'
import type { MetricPart, MetricsPiece } from './messages.ts'

/** A value of a metric, which may have the name of a part of it, such as a histogram's buckets. */
type Sample = MetricValue<string> & { readonly metricName?: string }

/**
 * Writes Prometheus' text of merged metrics piece by piece.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export class MetricsText {
  /** The metric that was written last. */
  #metric: string | undefined

  write(piece: MetricsPiece): string {
    return piece.map(part => this.#head(part) + linesOf(part)).join('')
  }

  /** What stands before the first series of a metric. */
  #head({ name, help, type }: MetricPart): string {
    if (name === this.#metric) return ''
    const separator = this.#metric === undefined ? '' : '\n'
    this.#metric = name
    return `${separator}# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`
  }
}

function linesOf({ series, values }: MetricPart): string {
  return series.map((name, i) => `${name} ${values[i]}\n`).join('')
}

/** @param metric the name of the sample, unless it has one of its own */
export function seriesText(metric: string, { metricName = metric, labels }: Sample): string {
  let text = ''
  for (const [name, value] of Object.entries(labels))
    text += `${text === '' ? '{' : ','}${name}="${quotable(String(value))}"`
  return text === '' ? metricName : `${metricName}${text}}`
}

/** Most values have nothing to escape, and looking takes less time than replacing nothing. */
function quotable(value: string): string {
  return /["\\\n]/.test(value) ? escaped(value).replaceAll('"', '\\"') : value
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
