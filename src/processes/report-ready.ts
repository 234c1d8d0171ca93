/**
 * Reports to a process manager that this process is ready, if the manager started it with an IPC channel.
 * @see https://pm2.keymetrics.io/docs/usage/signals-clean-restart/
 */
export function reportReady(): void {
  if (process.connected) process.send?.('ready')
}
