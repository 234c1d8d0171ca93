/** Stops this process for a while: it reads nothing and runs no timers, as one that gets no time. */
export function pauseProcess(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
