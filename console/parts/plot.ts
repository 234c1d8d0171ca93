import uPlot from 'uplot'

/** In pixels. */
const HEIGHT = 240

export type PlotOptions = Omit<uPlot.Options, 'width' | 'height'>

/** Lines of numbers over a common axis, as wide as their box. */
export class Plot {
  readonly #plot: uPlot
  readonly #sizes: ResizeObserver

  constructor(box: HTMLElement, options: PlotOptions, data: uPlot.AlignedData) {
    this.#plot = new uPlot({ ...options, width: box.clientWidth, height: HEIGHT }, data, box)
    this.#sizes = new ResizeObserver(() => this.#plot.setSize({ width: box.clientWidth, height: HEIGHT }))
    this.#sizes.observe(box)
  }

  show(data: uPlot.AlignedData): void {
    this.#plot.setData(data)
  }

  remove(): void {
    this.#sizes.disconnect()
    this.#plot.destroy()
  }
}
