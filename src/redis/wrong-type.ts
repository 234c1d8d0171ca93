/** Whether Redis refused a command because the key has another type. */
export function isWrongType(err: unknown): boolean {
  return err instanceof Error && err.message.startsWith('WRONGTYPE ')
}
